"""Copies stand out from their neighbours; different images of a kind that all look alike do not."""

import numpy as np
import pytest

from transfer.quality.distinct import standing_out
from transfer.quality.near_duplicates import Pairs

THRESHOLD, RATIO = 0.97, 0.4


def all_pairs(difference: np.ndarray) -> tuple[Pairs, np.ndarray]:
    """Every pair of the rows of a square table of differences, and its similarity."""
    first, second = np.triu_indices(len(difference), 1)
    similarity = (1 - difference[first, second]).astype(np.float32)
    return Pairs(first, second, similarity), similarity


def judged(difference: np.ndarray, ratio: float = RATIO) -> set[tuple[int, int]]:
    """The pairs that stand out; what is below the threshold is known only to those who ask for it."""
    candidates, similarity = all_pairs(difference)
    known = np.where(similarity >= THRESHOLD, similarity, -1)

    def agreement(first: np.ndarray, second: np.ndarray, least: float) -> np.ndarray:
        exact = (1 - difference[first, second]).astype(np.float32)
        return np.where(exact >= least, exact, -1)

    chosen = candidates.chosen(standing_out(candidates, known, THRESHOLD, ratio, agreement))
    return set(zip(chosen.first.tolist(), chosen.second.tolist(), strict=True))


def test_a_pair_far_from_all_others_is_kept() -> None:
    difference = np.full((12, 12), 0.8)
    difference[3, 7] = difference[7, 3] = 0.029
    assert judged(difference) == {(3, 7)}


@pytest.mark.parametrize("others", [0.025, 0.04, 0.07])
def test_images_that_are_like_many_are_no_copies(others: float) -> None:
    difference = np.full((12, 12), others)
    difference[3, 7] = difference[7, 3] = 0.029
    assert judged(difference) == set()


def test_a_copy_among_images_that_are_alike_is_kept() -> None:
    difference = np.full((12, 12), 0.04)
    difference[3, 7] = difference[7, 3] = 0.012
    assert judged(difference) == {(3, 7)}


@pytest.mark.parametrize(("size", "kept"), [(8, True), (10, False)])
def test_up_to_eight_copies_of_one_image_are_copies(size: int, kept: bool) -> None:
    difference = np.full((30, 30), 0.8)
    difference[:size, :size] = 0.02
    assert len(judged(difference)) == (size * (size - 1) // 2 if kept else 0)


def test_a_long_series_of_almost_equal_images_stays_together() -> None:
    assert len(judged(np.full((20, 20), 0.005))) == 190


def test_few_images_are_judged_by_the_threshold_alone() -> None:
    assert len(judged(np.full((5, 5), 0.02))) == 10


def test_a_ratio_of_one_leaves_nothing_out() -> None:
    assert len(judged(np.full((12, 12), 0.025), ratio=1)) == 66


def test_no_pairs_are_no_problem() -> None:
    assert judged(np.zeros((1, 1))) == set()
