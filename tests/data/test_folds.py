"""Folds of cross-validation: groups stay whole, every image is held out once."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from transfer.data import folds
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
