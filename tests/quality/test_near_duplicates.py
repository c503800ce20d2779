"""Near duplicates are found; different images, even of a kind that all look alike, are not."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.quality.made_up_duplicates import CHANGES, DIGITS, digits, recompressed, thumbnail
from tests.quality.test_tables import Lazy
from transfer.config import CheckConfig
from transfer.quality import inverted_lists, near_duplicates
from transfer.quality.candidates import Pairs
from transfer.quality.near_duplicates import NearDuplicates, groups, standing_out

CHANGED = 60
THRESHOLD, RATIO = 0.97, 0.4


def find(thumbnails: np.ndarray, features: Mapping[str, np.ndarray] | None = None, **settings: float) -> NearDuplicates:
    return near_duplicates.find(features or {}, thumbnails, CheckConfig(**settings))


@cache
def planted() -> tuple[np.ndarray, Pairs]:
    """Digits, then near duplicates of the first ones, each kind in turn: the thumbnails and what is found."""
    changes = list(CHANGES.values())
    changed = [changes[number % len(changes)](image) for number, image in enumerate(digits()[:CHANGED])]
    thumbnails = np.stack([thumbnail(image) for image in [*digits(), *changed]])
    return thumbnails, find(thumbnails).pairs


def test_planted_near_duplicates_are_found_and_hardly_anything_else() -> None:
    _, found = planted()
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    true = {(number, DIGITS + number) for number in range(CHANGED)}
    assert len(pairs & true) >= 0.95 * len(true)
    assert len(pairs & true) >= 0.95 * len(pairs)


def test_lists_find_what_the_exact_search_finds_also_from_tables_that_are_not_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    thumbnails, exact = planted()
    weights = np.random.default_rng(0).normal(size=(3072, 40)).astype(np.float32)
    features = {"cut": thumbnails.reshape(len(thumbnails), -1).astype(np.float32) @ weights}
    monkeypatch.setattr(inverted_lists, "_LENGTH", 16)
    found = near_duplicates.find({"cut": Lazy(features["cut"])}, Lazy(thumbnails), CheckConfig(exact_images=100), seed=1)
    assert found.approximate and not find(thumbnails, features).approximate
    expected = set(zip(exact.first.tolist(), exact.second.tolist(), strict=True))
    assert len(expected & set(zip(found.pairs.first.tolist(), found.pairs.second.tolist(), strict=True))) >= 0.99 * len(expected)


@pytest.mark.parametrize(("exact_images", "approximate"), [(660, False), (659, True)])
def test_the_exact_search_ends_at_the_number_of_the_configuration(exact_images: int, approximate: bool) -> None:
    assert find(planted()[0], exact_images=exact_images).approximate == approximate


def test_thousands_of_white_images_and_copies_of_one_are_one_group_each_in_lists() -> None:
    random = np.random.default_rng(0)
    white, one = np.full((3000, 32, 32, 3), 255, np.uint8), random.integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
    thumbnails = np.concatenate([white, np.repeat(one, 2000, axis=0), random.integers(0, 256, (100, 32, 32, 3)).astype(np.uint8)])
    order = random.permutation(len(thumbnails))
    found = find(thumbnails[order], exact_images=0)
    assert np.bincount(np.bincount(found.groups))[[1, 2000, 3000]].tolist() == [100, 1, 1]
    assert len(found.pairs) < 8 * len(thumbnails)


def test_the_same_pairs_are_found_whatever_features_say() -> None:
    thumbnails, alone = planted()
    features = {"cut": np.random.default_rng(0).normal(size=(len(thumbnails), 40)), "dead": np.zeros((len(thumbnails), 3))}
    found = find(thumbnails, features).pairs
    assert set(zip(alone.first, alone.second, strict=True)) <= set(zip(found.first, found.second, strict=True))


def test_another_color_is_another_image() -> None:
    pixels = np.zeros((2, 32, 32, 3), np.uint8)
    pixels[0, 8:24, 8:24] = [200, 60, 60]
    pixels[1, 8:24, 8:24] = [60, 200, 60]
    assert len(find(pixels).pairs) == 0


def test_images_of_one_color_are_near_duplicates_of_those_with_the_same() -> None:
    colors = np.array([255, 0, 254, 128, 255, 1])
    thumbnails = np.broadcast_to(colors[:, None, None, None], (6, 32, 32, 3)).astype(np.uint8)
    assert find(thumbnails).groups.tolist() == [0, 1, 0, 2, 0, 1]


@pytest.mark.parametrize("exact_images", [100, 0])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images_are_no_problem(count: int, exact_images: int) -> None:
    thumbnails = np.zeros((count, 32, 32, 3), np.uint8)
    found = find(thumbnails, {"cut": np.zeros((count, 4), np.float32)}, exact_images=exact_images)
    assert len(found.pairs) == count * (count - 1) // 2


def test_figures_of_one_kind_are_left_out_and_counted_and_a_near_duplicate_among_them_is_found() -> None:
    """Stripes of slightly different widths and places: similar to many others, but no near duplicates."""
    random = np.random.default_rng(0)
    across = np.linspace(-1, 1, 128)
    figures = []
    for width, place, slope in random.uniform([0.3, -0.1, -0.06], [0.4, 0.1, 0.06], (80, 3)):
        inside = np.abs(across[None] - place - slope * across[:, None]) < width
        figures.append(Image.fromarray((inside * 230).astype(np.uint8)))
    thumbnails = np.stack([thumbnail(image) for image in [*figures, recompressed(figures[0])]])
    found, every = find(thumbnails), find(thumbnails, near_duplicate_ratio=1)
    assert (0, 80) in set(zip(found.pairs.first.tolist(), found.pairs.second.tolist(), strict=True))
    assert found.left_out > 20
    assert len(every.pairs) == len(found.pairs) + found.left_out
    assert every.left_out == 0


def all_pairs(difference: np.ndarray) -> tuple[Pairs, np.ndarray]:
    """Every pair of the rows of a square table of differences, and its similarity."""
    first, second = np.triu_indices(len(difference), 1)
    similarity = (1 - difference[first, second]).astype(np.float32)
    return Pairs(first, second, similarity), similarity


def judged(difference: np.ndarray, ratio: float = RATIO) -> set[tuple[int, int]]:
    """The pairs that stand out; similarities below the threshold are exact only on request."""
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
def test_images_similar_to_many_others_are_no_near_duplicates(others: float) -> None:
    difference = np.full((12, 12), others)
    difference[3, 7] = difference[7, 3] = 0.029
    assert judged(difference) == set()


def test_a_near_duplicate_among_similar_images_is_kept() -> None:
    difference = np.full((12, 12), 0.04)
    difference[3, 7] = difference[7, 3] = 0.012
    assert judged(difference) == {(3, 7)}


@pytest.mark.parametrize(("size", "kept"), [(8, True), (10, False)])
def test_up_to_eight_near_duplicates_of_one_image_are_kept(size: int, kept: bool) -> None:
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


@settings(deadline=None, max_examples=50)
@given(
    count=st.integers(1, 20),
    edges=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)).filter(lambda edge: edge[0] < edge[1]), max_size=25),
)
def test_groups_are_the_rows_connected_by_pairs(count: int, edges: list[tuple[int, int]]) -> None:
    edges = [edge for edge in edges if edge[1] < count]
    first, second = np.array([*edges, (0, 0)][: len(edges)] or np.empty((0, 2)), np.int64).reshape(-1, 2).T
    found = groups(count, Pairs(first, second, np.ones(len(edges), np.float32)))
    reached = np.eye(count, dtype=bool)
    for low, high in edges:
        reached[low, high] = reached[high, low] = True
    for _ in range(count):
        reached = (reached.astype(int) @ reached.astype(int)) > 0
    assert ((found[:, None] == found[None]) == reached).all()
    assert list(dict.fromkeys(found.tolist())) == list(range(found.max() + 1))


def test_a_group_has_the_name_of_its_smallest_digest_and_an_image_alone_has_none() -> None:
    rows = pd.DataFrame({"digest": ["c" * 64, "b" * 64, "a" * 64, "d" * 64]}, index=[7, 8, 11, 12])
    found = NearDuplicates(Pairs(np.array([0, 1]), np.array([3, 3]), np.ones(2, np.float32)), np.array([0, 0, 1, 0]))
    assert found.group_names(rows) == {7: "near " + "b" * 16, 8: "near " + "b" * 16, 12: "near " + "b" * 16}
