"""Vectors of features and thumbnails, and the pairs with a high cosine, against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.quality.candidates import Pairs, pairs, union
from transfer.quality.near_duplicates import groups


def vectors(count: int, width: int, seed: int) -> np.ndarray:
    table = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


def as_set(found: Pairs) -> set[tuple[int, int]]:
    return set(zip(found.first.tolist(), found.second.tolist(), strict=True))


def brute_force(table: np.ndarray, threshold: float) -> set[tuple[int, int]]:
    cosine = table.astype(np.float64) @ table.T.astype(np.float64)
    return {(i, j) for i in range(len(table)) for j in range(i + 1, len(table)) if cosine[i, j] >= threshold}


@settings(deadline=None, max_examples=40)
@given(count=st.integers(0, 40), seed=st.integers(0, 99), block=st.integers(1, 17), threshold=st.sampled_from([-1.5, 0.2, 0.6, 0.9]))
def test_pairs_are_those_of_brute_force_whatever_the_block(count: int, seed: int, block: int, threshold: float) -> None:
    table = vectors(count, 3, seed)
    found = pairs(table, threshold, neighbours=count + 1, block=block)
    assert as_set(found) == brute_force(table, threshold)
    assert len(as_set(found)) == len(found)


@settings(deadline=None, max_examples=40)
@given(count=st.integers(2, 40), seed=st.integers(0, 99), block=st.integers(1, 17), neighbours=st.integers(1, 5))
def test_each_row_keeps_its_nearest_ones(count: int, seed: int, block: int, neighbours: int) -> None:
    table = vectors(count, 4, seed)
    found = as_set(pairs(table, -2.0, neighbours, block))
    cosine = table @ table.T
    np.fill_diagonal(cosine, -9)
    for row in range(count):
        for other in np.argsort(-cosine[row])[: min(neighbours, count - 1)]:
            assert (min(row, other), max(row, other)) in found
    assert len(found) <= count * (neighbours + 1)


def test_the_smaller_row_stands_first_and_the_most_similar_pair_on_top() -> None:
    found = pairs(vectors(50, 3, 0), 0.5)
    assert (found.first < found.second).all()
    assert (np.diff(found.similarity) <= 0).all()
    assert (found.first.dtype, found.second.dtype, found.similarity.dtype) == (np.int64, np.int64, np.float32)


def test_rows_of_zeros_are_similar_to_nothing() -> None:
    assert len(pairs(np.zeros((5, 3), np.float32), 0.1)) == 0


@pytest.mark.parametrize("noise", [0.0, 1e-5])
def test_thousands_of_equal_vectors_stay_one_group_with_few_pairs(noise: float) -> None:
    table = np.full((3000, 8), 8**-0.5) + np.random.default_rng(0).normal(size=(3000, 8)) * noise
    table = np.concatenate([table, -table[:10]]).astype(np.float32)
    found = pairs(table / np.linalg.norm(table, axis=1, keepdims=True), 0.99, neighbours=4, block=256)
    assert len(found) <= 5 * 3010
    assert np.bincount(groups(3010, found)).tolist() == [3000, 10]


def test_a_pair_of_several_tables_keeps_its_largest_similarity() -> None:
    one = Pairs(np.array([0, 1]), np.array([1, 2]), np.array([0.5, 0.7], np.float32))
    two = Pairs(np.array([0]), np.array([1]), np.array([0.9], np.float32))
    found = union(one, two)
    assert as_set(found) == {(0, 1), (1, 2)}
    assert found.similarity.tolist() == pytest.approx([0.9, 0.7])
