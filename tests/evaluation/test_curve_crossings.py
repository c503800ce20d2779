"""From which size on one method is better than another."""

import pandas as pd
import pytest

from tests.evaluation.made_up_comparison import IMAGES
from transfer.evaluation.curve_crossings import between, pairs, stretches, verdicts

CLEAR, NOT = 0.001, 0.4


def table(*rows: tuple[str, float, float], a: str = "frozen", b: str = "lenet") -> pd.DataFrame:
    """Return rows of one pair: size, difference, adjusted p."""
    return pd.DataFrame(
        [
            {"method_a": a, "method_b": b, "size": size, "images_per_class": IMAGES[size], "difference": d, "low": d - 0.02,
             "high": d + 0.03, "p_adjusted": p}
            for size, d, p in rows
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "verdict", "size", "undecided"),
    [
        ([("1", 0.2, CLEAR), ("10", 0.1, CLEAR)], 1, "1", ""),
        ([("1", -0.2, CLEAR), ("10", 0.1, CLEAR), ("all", 0.1, CLEAR)], 1, "10", ""),
        ([("1", 0.2, CLEAR), ("10", 0.0, 1.0), ("all", -0.1, CLEAR)], -1, "all", "10"),
        ([("1", 0.2, CLEAR), ("10", 0.1, NOT), ("all", 0.1, CLEAR)], 1, "all", "10"),
        ([("1", 0.2, CLEAR), ("10", 0.1, NOT), ("all", -0.1, NOT)], 0, "10", "10 all"),
        ([("1", 0.0, 1.0)], 0, "1", "1"),
        ([("all", 0.2, CLEAR), ("1", -0.2, CLEAR)], 1, "all", ""),
    ],
)
def test_the_last_stretch_says_which_method_is_better_in_the_end_and_from_which_size(
    rows: list[tuple[str, float, float]], verdict: int, size: str, undecided: str
) -> None:
    parts = stretches(between(table(*rows), "frozen", "lenet"))
    start = parts[-1].rows.iloc[0]
    assert (parts[-1].verdict, start["size"], start["images_per_class"]) == (verdict, size, IMAGES[size])
    assert " ".join(size for part in parts if not part.verdict for size in part.rows["size"]) == undecided


def test_a_p_at_the_level_is_not_significant() -> None:
    assert verdicts(table(("1", 0.2, 0.05), ("2", 0.2, 0.0499), ("5", -0.2, 0.01))) == [0, 1, -1]


def test_seen_from_the_other_method_the_signs_change() -> None:
    rows = between(table(("1", 0.1, CLEAR)), "lenet", "frozen")
    assert rows[["difference", "low", "high"]].iloc[0].tolist() == pytest.approx([-0.1, -0.13, -0.08])
    assert rows["method_a"][0] == "lenet"
    assert between(rows, "frozen", "lenet")["difference"][0] == pytest.approx(0.1)


def test_neighbours_with_the_same_verdict_are_one_stretch() -> None:
    parts = stretches(table(("1", -0.2, CLEAR), ("2", -0.1, CLEAR), ("5", 0.0, NOT), ("10", 0.1, CLEAR), ("all", 0.1, NOT)))
    assert [(part.verdict, list(part.rows["size"])) for part in parts] == [(-1, ["1", "2"]), (0, ["5"]), (1, ["10"]), (0, ["all"])]


def test_pairs_come_in_the_order_of_the_table() -> None:
    both = pd.concat([table(("1", 0.2, CLEAR), ("2", 0.2, CLEAR)), table(("1", 0.2, NOT), b="tuned")])
    assert pairs(both) == [("frozen", "lenet"), ("frozen", "tuned")]
    assert pairs(both.iloc[:0]) == []


def test_no_rows_no_stretches() -> None:
    assert stretches(table(("1", 0.2, CLEAR)).iloc[:0]) == []
