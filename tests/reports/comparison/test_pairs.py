"""What is said about two methods is what the table says."""

import pandas as pd
import pytest

from tests.evaluation.made_up_comparison import IMAGES
from transfer.reports.comparison.pairs import by_size, sentence

REAL, NOT = 0.001, 0.4


def rows(*table: tuple[str, float, float]) -> pd.DataFrame:
    """Return rows of frozen less lenet: size, difference in points, adjusted p; the interval is 2 points to either side."""
    return pd.DataFrame(
        [
            {"method_a": "frozen", "method_b": "lenet", "size": size, "images_per_class": IMAGES[size], "difference": d / 100,
             "low": (d - 2) / 100, "high": (d + 2) / 100, "p_adjusted": p}
            for size, d, p in table
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("table", "facts"),
    [
        (
            [("1", 20, REAL), ("10", 9, REAL), ("all", 4, REAL)],
            ["frozen is better at every size, by 20.0 points (18.0 to 22.0) with 1 image per class and 4.0 points (2.0 to 6.0) with all "
             "images (252 per class)"],
        ),
        (
            [("1", -20, REAL), ("10", -9, REAL), ("all", -4, REAL)],
            ["lenet is better at every size, by 20.0 points (18.0 to 22.0) with 1 image per class and 4.0 points (2.0 to 6.0) with all "
             "images (252 per class)"],
        ),
        (
            [("1", -3, REAL), ("2", -0.5, NOT), ("10", 5, REAL), ("all", 6, REAL)],
            ["lenet is better with 1 image per class, by 3.0 points (1.0 to 5.0)",
             "no difference can be told with 2 images per class (lenet is ahead by 0.5 points (-1.5 to 2.5))",
             "frozen is better from 10 images per class on, by 5.0 points (3.0 to 7.0) with 10 images per class and 6.0 points (4.0 to 8.0)"
             " with all images (252 per class)"],
        ),
        (
            [("1", 20, REAL), ("2", 10, REAL), ("10", 0.5, NOT), ("all", -4, REAL)],
            ["frozen is better with 1 to 2 images per class, by 20.0 points (18.0 to 22.0) with 1 image per class and 10.0 points",
             "no difference can be told with 10 images per class",
             "lenet is better with all images (252 per class), by 4.0 points (2.0 to 6.0)"],
        ),
        (
            [("1", 20, REAL), ("2", 10, REAL), ("10", 0.5, NOT), ("all", -0.5, NOT)],
            ["frozen is better with 1 to 2 images per class, by 20.0 points (18.0 to 22.0) with 1 image per class and 10.0 points",
             "no difference can be told from 10 images per class on"],
        ),
        (
            [("1", 5, NOT), ("10", 5, REAL), ("25", 1, NOT), ("all", 3, REAL)],
            ["no difference can be told with 1 image per class (frozen is ahead by 5.0 points (3.0 to 7.0), adjusted p 0.40)",
             "frozen is better with 10 images per class, by 5.0 points (3.0 to 7.0)", "no difference can be told with 25 images per class",
             "frozen is better with all images (252 per class), by 3.0 points (1.0 to 5.0)"],
        ),
        (
            [("1", 1.5, NOT), ("10", -1, NOT), ("all", -1.2, NOT)],
            ["no difference can be told at any size (lenet is ahead by 1.2 points (-0.8 to 3.2) with all images (252 per class))"],
        ),
        ([("10", 4, REAL)], ["frozen is better with 10 images per class, by 4.0 points (2.0 to 6.0)"]),
        ([("10", -4, REAL)], ["lenet is better with 10 images per class, by 4.0 points (2.0 to 6.0)"]),
        ([("10", 1, NOT)], ["no difference can be told with 10 images per class (frozen is ahead by 1.0 point (-1.0 to 3.0))"]),
        ([("10", 0, 1.0)], ["no difference can be told with 10 images per class (the same accuracy, 0.0 points (-2.0 to 2.0))"]),
        ([("10", -3, 0.3)], ["(lenet is ahead by 3.0 points (1.0 to 5.0), adjusted p 0.30)"]),
    ],
    ids=["better", "worse", "crossing", "crossing back", "only at first", "in turns", "none", *(f"one size {n}" for n in range(1, 6))],
)  # fmt: skip
def test_it_says_who_is_better_at_which_sizes(table: list[tuple[str, float, float]], facts: list[str]) -> None:
    found = rows(*table)
    for names in (("frozen", "lenet"), ("lenet", "frozen")):
        said = sentence(found, *names, len(table))
        clauses = said.removeprefix(f"{names[0]} and {names[1]}: ").removesuffix(".").split("; ")
        assert len(clauses) == len(facts)
        assert all(fact in clause for fact, clause in zip(facts, clauses, strict=True)), said


@pytest.mark.parametrize("p", [REAL, NOT])
def test_sizes_that_one_of_them_lacks_are_not_claimed(p: float) -> None:
    assert "sizes that both were run at" in sentence(rows(("1", 5, p), ("10", 5, p)), "frozen", "lenet", sizes=3)


def test_verdicts_are_known_from_either_side() -> None:
    found = by_size(rows(("1", 5, REAL), ("10", 5, NOT)))
    assert found["frozen", "lenet", "1"] == 1 and found["lenet", "frozen", "1"] == -1
    assert found["frozen", "lenet", "10"] == found["lenet", "frozen", "10"] == 0
