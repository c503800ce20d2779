"""Subsets of the training images: nested, stable, with all classes."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.data.subsets import collapsed, distinct, ranking, subset

IMAGES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 25).map(lambda number: f"{number:064x}")), min_size=1, max_size=60
)
SEEDS = st.integers(0, 5)


def table(images: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(images, columns=["label", "digest"])


def few(train: pd.DataFrame, validation: pd.DataFrame, size: int | str, seed: int, proportional: bool) -> set[int]:
    return set(subset(train, validation, size, seed, proportional))


@given(IMAGES, IMAGES, SEEDS, st.booleans(), st.integers(1, 30), st.integers(1, 30))
@settings(deadline=None, max_examples=60)
def test_a_larger_subset_holds_every_smaller_one(
    train: list[tuple[str, str]], validation: list[tuple[str, str]], seed: int, proportional: bool, one: int, other: int
) -> None:
    rows, judged = table(train), table(validation).set_axis(range(1000, 1000 + len(validation)))
    small, large = sorted((one, other))
    inner, outer = (few(rows, judged, size, seed, proportional) for size in (small, large))
    assert inner <= outer <= few(rows, judged, "all", seed, proportional)


@given(IMAGES, SEEDS, st.integers(1, 30))
@settings(deadline=None, max_examples=60)
def test_each_class_gives_so_many_distinct_images_or_all_it_has(images: list[tuple[str, str]], seed: int, size: int) -> None:
    rows = table(images)
    kept = rows.loc[sorted(few(rows, rows.iloc[:0], size, seed, False))]
    assert distinct(kept) == {label: min(size, count) for label, count in distinct(rows).items()}


@given(IMAGES, SEEDS, st.integers(1, 10))
@settings(deadline=None, max_examples=60)
def test_exact_duplicates_stay_together(images: list[tuple[str, str]], seed: int, size: int) -> None:
    rows = table(images)
    inside = rows.index.isin(list(few(rows, rows.iloc[:0], size, seed, False)))
    assert rows.assign(inside=inside).groupby(["label", "digest"])["inside"].nunique().eq(1).all()


@given(IMAGES, SEEDS, st.integers(1, 10), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_the_order_of_the_rows_changes_nothing(images: list[tuple[str, str]], seed: int, size: int, random: object) -> None:
    rows = table(images)
    order = list(rows.index)
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = rows.loc[order]
    assert few(rows, rows.iloc[:0], size, seed, False) == few(shuffled, rows.iloc[:0], size, seed, False)


def test_adding_an_image_never_changes_the_order_of_others() -> None:
    names = [f"{number:064x}" for number in range(30)]
    before, after = ranking(names[:-1], "a", 0), ranking(names, "a", 0)
    assert [name for name in after if name != names[-1]] == before


def test_another_seed_takes_other_images() -> None:
    names = [f"{number:064x}" for number in range(30)]
    assert ranking(names, "a", 0) != ranking(names, "a", 1)
    assert ranking(names, "a", 0) != ranking(names, "b", 0)


def test_a_proportional_validation_has_the_share_of_the_training_and_one_at_least() -> None:
    train = table([("a", f"{i:064x}") for i in range(40)] + [("b", f"{i:064x}") for i in range(100, 140)])
    validation = table([("a", f"{i:064x}") for i in range(200, 210)] + [("b", f"{i:064x}") for i in range(300, 310)])
    validation.index += 1000
    counts = [len([i for i in few(train, validation, size, 0, True) if i >= 1000]) for size in (1, 8, 20, 40)]
    assert counts == [2, 4, 10, 20]


@pytest.mark.parametrize(
    ("sizes", "most", "kept", "beyond"),
    [
        ([1, 10, "all"], 50, [1, 10, "all"], []),
        ([1, 50, 100, "all"], 50, [1, "all"], [50, 100]),
        ([1, 100], 50, [1, "all"], [100]),
        ([100, 200], 50, ["all"], [100, 200]),
        (["all"], 1, ["all"], []),
    ],
)
def test_sizes_beyond_the_data_are_run_once_as_all(sizes: list, most: int, kept: list, beyond: list) -> None:
    assert collapsed(sizes, most) == (kept, beyond)
