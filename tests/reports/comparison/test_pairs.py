"""What is said about two methods is what the table says."""

import pandas as pd
import pytest

from tests.evaluation.made_up_comparison import IMAGES
from transfer.reports.comparison.pairs import sentence

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
    ("table", "expected"),
    [
        (
            [("1", 20, REAL), ("10", 9, REAL), ("all", 4, REAL)],
            "frozen is better than lenet at every size, by 20.0 points (18.0 to 22.0) with 1 image a class and by "
            "4.0 points (2.0 to 6.0) with all images (252 a class).",
        ),
        (
            [("1", -20, REAL), ("10", -9, REAL), ("all", -4, REAL)],
            "lenet is better than frozen at every size, by 20.0 points (18.0 to 22.0) with 1 image a class and by "
            "4.0 points (2.0 to 6.0) with all images (252 a class).",
        ),
        (
            [("1", -3, REAL), ("2", -0.5, NOT), ("10", 5, REAL), ("all", 6, REAL)],
            "From 10 images a class on frozen is better than lenet, by 5.0 points (3.0 to 7.0) there and by 6.0 points (4.0 to 8.0) "
            "with all images (252 a class); with 1 image a class lenet is better, by 3.0 points (1.0 to 5.0); "
            "no difference can be told with 2 images a class.",
        ),
        (
            [("1", 20, REAL), ("2", 10, REAL), ("10", 0.5, NOT), ("all", -4, REAL)],
            "With all images (252 a class) lenet is better than frozen, by 4.0 points (2.0 to 6.0); with 1 to 2 images a class frozen "
            "is better, by 20.0 points (18.0 to 22.0) with 1 image a class; no difference can be told with 10 images a class.",
        ),
        (
            [("1", 20, REAL), ("2", 10, REAL), ("10", 0.5, NOT), ("all", -0.5, NOT)],
            "With 1 to 2 images a class frozen is better than lenet, by 20.0 points (18.0 to 22.0) with 1 image a class and by "
            "10.0 points (8.0 to 12.0) with 2 images a class; no difference can be told from 10 images a class on.",
        ),
        (
            [("1", 5, NOT), ("10", 5, REAL), ("25", 1, NOT), ("all", 3, REAL)],
            "With all images (252 a class) frozen is better than lenet, by 3.0 points (1.0 to 5.0); with 10 images a class frozen is "
            "better, by 5.0 points (3.0 to 7.0); no difference can be told with 1 image a class and with 25 images a class.",
        ),
        (
            [("1", 1.5, NOT), ("10", -1, NOT), ("all", -1.2, NOT)],
            "No difference between frozen and lenet can be told at any size: with all images (252 a class) lenet is ahead by "
            "1.2 points (-0.8 to 3.2).",
        ),
    ],
    ids=["better", "worse", "crossing", "crossing back", "only at first", "in turns", "none"],
)
def test_it_says_who_is_better_and_from_where_on(table: list[tuple[str, float, float]], expected: str) -> None:
    found = rows(*table)
    assert sentence(found, "frozen", "lenet", len(table)) == expected
    assert sentence(found, "lenet", "frozen", len(table)).replace("lenet and frozen", "frozen and lenet") == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("10", 4, REAL), "With 10 images a class frozen is better than lenet, by 4.0 points (2.0 to 6.0)."),
        (("10", -4, REAL), "With 10 images a class lenet is better than frozen, by 4.0 points (2.0 to 6.0)."),
        (
            ("10", 1, NOT),
            "With 10 images a class no difference between frozen and lenet can be told: frozen is ahead by 1.0 point (-1.0 to 3.0).",
        ),
        (
            ("10", 0, 1.0),
            "With 10 images a class no difference between frozen and lenet can be told: both have the same accuracy "
            "(difference 0.0 points, -2.0 to 2.0).",
        ),
        (
            ("10", -3, 0.3),
            "With 10 images a class no difference between frozen and lenet can be told: lenet is ahead by 3.0 points "
            "(1.0 to 5.0; adjusted p 0.30).",
        ),
    ],
)  # fmt: skip
def test_one_size_is_told_in_one_clause(row: tuple[str, float, float], expected: str) -> None:
    assert sentence(rows(row), "frozen", "lenet", 1) == expected


@pytest.mark.parametrize("p", [REAL, NOT])
def test_sizes_that_both_lack_are_not_claimed(p: float) -> None:
    assert "size that both were run at" in sentence(rows(("1", 5, p), ("10", 5, p)), "frozen", "lenet", sizes=3)
