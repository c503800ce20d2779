"""Folds of cross-validation: groups stay whole, every image is held out once."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from transfer.data import folds
from transfer.data.dataset import Dataset
from transfer.errors import DataError

label_and_group = st.tuples(st.integers(0, 3), st.integers(0, 4))


@settings(max_examples=60, deadline=None)
@given(st.lists(label_and_group, min_size=2, max_size=40), st.integers(2, 6), st.integers(0, 3))
def test_groups_are_never_divided_and_each_image_is_judged_once(rows: list[tuple[int, int]], count: int, seed: int) -> None:
    labels = np.array([label for label, _ in rows])
    groups = [f"{label}/{group}" for label, group in rows]
    images = Counter(label for label, _ in set(rows))
    assume(len(images) >= 2 and max(images.values()) >= 2)
    judged: list[int] = []
    for fold in folds.stratified(labels, groups, count, seed):
        assert {groups[number] for number in fold.train}.isdisjoint(groups[number] for number in fold.held_out)
        assert len(fold.train) and len(fold.held_out), "else there is nothing to fit or to judge"
        judged += list(fold.held_out)
    assert sorted(judged) == list(range(len(rows)))


@pytest.mark.parametrize("classes", [2, 5, 130])
@pytest.mark.parametrize("sizes", ["one", "few", "many"])
def test_folds_are_those_of_scikit_learn_to_the_last_image(classes: int, sizes: str) -> None:
    generator = np.random.default_rng(classes)
    labels = np.r_[np.arange(classes), np.arange(classes), generator.integers(0, classes, 3 * classes)]
    numbers = {"one": np.arange(len(labels)), "few": generator.integers(0, len(labels), len(labels)), "many": labels // 2}[sizes]
    groups = [f"g{number}" for number in (numbers * 7919 % 104729).tolist()]
    for count, seed in ((2, 0), (5, 1), (12, 2)):
        if count > min(np.bincount(labels).max(), len(set(groups))):
            continue  # scikit-learn refuses it, and nobody asks
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = list(StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(labels, labels, groups))
        fold = folds._divided(labels, groups, count, seed)
        for number, (train, held_out) in enumerate(plain):
            assert np.array_equal(np.flatnonzero(fold != number), train) and np.array_equal(np.flatnonzero(fold == number), held_out)


def test_names_that_are_not_unicode_are_groups_like_others() -> None:
    labels, groups = np.array([0, 0, 0, 1, 1, 1]), ["\udce9", "\udcea", "'\\udce9'", "a", "b", "c"]
    assert folds.possible(labels, groups) == (3, 3)
    assert len(folds.stratified(labels, groups, 3, 0)) == 3


def test_the_number_of_folds_is_at_most_the_groups_of_the_smallest_class() -> None:
    labels = np.array([0] * 9 + [1] * 3)
    groups = [str(number) for number in range(12)]
    assert len(folds.stratified(labels, groups, 10, 0)) == 3
    assert len(folds.stratified(labels, groups, 2, 0)) == 2
    assert folds.possible(labels, ["one"] * 3 + groups[3:]) == (3, 7)


def test_the_division_depends_on_the_seed_alone() -> None:
    labels, groups = np.repeat([0, 1], 20), [str(number) for number in range(40)]

    def held_out(seed: int) -> list[list[int]]:
        return [fold.held_out.tolist() for fold in folds.stratified(labels, groups, 4, seed)]

    assert held_out(0) == held_out(0) != held_out(1)


def test_one_image_of_each_class_is_too_few() -> None:
    with pytest.raises(DataError, match="two different training images of at least one class"):
        folds.stratified(np.array([0, 0, 1]), ["a", "a", "b"], 3, 0)


def dataset(rows: list[tuple[int, int, str]]) -> Dataset:
    """A dataset of images with these classes, groups of their class, and splits."""
    table = pd.DataFrame({"digest": [f"{number:064x}" for number in range(len(rows))], "reason": ""}, dtype=object)
    table["label"] = [f"class {label}" for label, _, _ in rows]
    table["group"] = [f"{label}/{group}" for label, group, _ in rows]
    table["split"] = [split for _, _, split in rows]
    return Dataset(Path("data"), table, False, table)


in_split = st.tuples(st.integers(0, 2), st.integers(0, 5), st.sampled_from(["train", "train", "validation", "test"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(in_split, min_size=8, max_size=50), st.integers(2, 6), st.integers(0, 3))
def test_each_image_is_held_out_once_and_chooses_nothing(rows: list[tuple[int, int, str]], count: int, seed: int) -> None:
    split_of: dict[tuple[int, int], str] = {}
    rows = [(label, group, split_of.setdefault((label, group), split)) for label, group, split in rows]  # groups are whole
    made = dataset(rows)
    fitted = made.used[made.used["split"] != "test"]
    assume(fitted.groupby("label")["group"].nunique().max() >= 3 if len(fitted) else False)
    try:
        parts = folds.of_dataset(made, count, seed)
    except DataError as error:
        assert "three different images" in str(error)
        return
    held_out = [index for part in parts for index in part.rows("test").index]
    assert sorted(held_out) == list(fitted.index)
    for part in parts:
        assert part.classes == made.classes
        groups = [set(part.rows(split)["group"]) for split in ("train", "validation", "test")]
        assert all(groups) and sum(map(len, groups)) == len(set.union(*groups)) == fitted["group"].nunique()
        both = pd.concat([part.rows("train"), part.rows("validation")])
        several = both.groupby("label")["group"].nunique()
        for label in several[several > 1].index:
            assert label in set(part.rows("train")["label"]) and label in set(part.rows("validation")["label"])


def test_about_the_same_share_validates_as_in_the_dataset() -> None:
    made = dataset([(number % 2, number, "validation" if number % 5 == 0 else "train") for number in range(200)])
    parts = folds.of_dataset(made, 4, 0)
    assert [len(part.rows("validation")) for part in parts] == [30] * 4 and [len(part.rows("test")) for part in parts] == [50] * 4
    assert len({tuple(part.rows("validation").index) for part in parts}) == 4


def test_two_images_of_each_class_are_too_few_for_folds_with_validation() -> None:
    with pytest.raises(DataError, match=r"three different images that are not test images\. Add images, or leave --folds out"):
        folds.of_dataset(dataset([(0, 0, "train"), (0, 1, "validation"), (1, 0, "train"), (1, 1, "validation"), (1, 2, "test")]), 5, 0)
