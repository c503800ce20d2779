"""From where on a method is better for good."""

import math

import pandas as pd
import pytest

from tests.evaluation.made_up_comparison import IMAGES
from transfer.evaluation.curve_crossings import between, crossings, stretches, verdicts

REAL, NOT = 0.001, 0.4


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
    ("rows", "better", "size", "undecided"),
    [
        ([("1", 0.2, REAL), ("10", 0.1, REAL)], "frozen", "1", ""),
        ([("1", -0.2, REAL), ("10", 0.1, REAL), ("all", 0.1, REAL)], "frozen", "10", ""),
        ([("1", 0.2, REAL), ("10", 0.0, 1.0), ("all", -0.1, REAL)], "lenet", "all", "10"),
        ([("1", 0.2, REAL), ("10", 0.1, NOT), ("all", 0.1, REAL)], "frozen", "all", "10"),
        ([("1", 0.2, REAL), ("10", 0.1, NOT), ("all", -0.1, NOT)], "", "", "10 all"),
        ([("1", 0.0, 1.0)], "", "", "1"),
        ([("all", 0.2, REAL), ("1", -0.2, REAL)], "frozen", "all", ""),
    ],
)
def test_better_for_good_starts_after_the_last_size_that_says_otherwise(
    rows: list[tuple[str, float, float]], better: str, size: str, undecided: str
) -> None:
    row = crossings(table(*rows)).iloc[0]
    assert (row["better"], row["from_size"], row["undecided"]) == (better, size, undecided)
    assert row["from_images"] == IMAGES[size] if size else math.isnan(row["from_images"])


def test_a_p_at_the_level_is_not_real() -> None:
    assert verdicts(table(("1", 0.2, 0.05), ("2", 0.2, 0.0499), ("5", -0.2, 0.01))) == [0, 1, -1]


def test_seen_from_the_other_method_everything_turns() -> None:
    rows = between(table(("1", 0.1, REAL)), "lenet", "frozen")
    assert rows[["difference", "low", "high"]].iloc[0].tolist() == pytest.approx([-0.1, -0.13, -0.08])
    assert rows["method_a"][0] == "lenet"
    assert between(rows, "frozen", "lenet")["difference"][0] == pytest.approx(0.1)


def test_neighbours_with_the_same_verdict_are_one_stretch() -> None:
    parts = stretches(table(("1", -0.2, REAL), ("2", -0.1, REAL), ("5", 0.0, NOT), ("10", 0.1, REAL), ("all", 0.1, NOT)))
    assert [(part.verdict, list(part.rows["size"])) for part in parts] == [(-1, ["1", "2"]), (0, ["5"]), (1, ["10"]), (0, ["all"])]


def test_each_pair_has_its_row() -> None:
    both = pd.concat([table(("1", 0.2, REAL)), table(("1", 0.2, NOT), b="tuned")])
    found = crossings(both)
    assert list(found["method_b"]) == ["lenet", "tuned"]
    assert list(found["better"]) == ["frozen", ""]


def test_no_pairs_no_rows() -> None:
    assert crossings(table(("1", 0.2, REAL)).iloc[:0]).empty
