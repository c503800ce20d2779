"""Nearest neighbours in inverted lists, against brute force; the same for a seed, whatever the threads; vectors that are all alike."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.quality import inverted_lists
from transfer.quality.candidates import Pairs, pairs_of_many
from transfer.quality.inverted_lists import nearest
from transfer.quality.near_duplicates import groups
from transfer.quality.vectors import unit


@pytest.fixture(autouse=True)
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few vectors are divided as many are, in two levels."""
    monkeypatch.setattr(inverted_lists, "_LENGTH", 8)
    monkeypatch.setattr(inverted_lists, "_UPPER_LENGTH", 4)
    monkeypatch.setattr(inverted_lists, "_FEW", 16)
    monkeypatch.setattr(inverted_lists, "_BLOCK", 16)
    monkeypatch.setattr(inverted_lists, "spread", one_by_one)  # threads take longer to start than so few vectors to compare


def one_by_one(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    return [work(item) for item in items]


def vectors(count: int, width: int, seed: int) -> np.ndarray:
    """Vectors around a few centres, as images of a few classes."""
    random = np.random.default_rng(seed)
    return unit((random.normal(size=(7, width))[random.integers(7, size=count)] + random.normal(size=(count, width))).astype(np.float32))


def as_set(found: Pairs) -> set[tuple[int, int]]:
    return set(zip(found.first.tolist(), found.second.tolist(), strict=True))


@settings(deadline=None, max_examples=25)
@given(count=st.integers(0, 60), seed=st.integers(0, 99), neighbours=st.integers(1, 5), threshold=st.sampled_from([-0.9, 0.2, 0.6]))
def test_in_all_lists_the_nearest_ones_are_those_of_brute_force(count: int, seed: int, neighbours: int, threshold: float) -> None:
    table = vectors(count, 5, seed)
    found = nearest(table, threshold, neighbours, probes=count + 1, seed=seed)
    cosine = table @ table.T
    np.fill_diagonal(cosine, -9)
    for row in range(count):
        expected = [other for other in np.argsort(-cosine[row])[:neighbours] if cosine[row, other] > threshold + 1e-5]
        received = found.other[row][found.other[row] >= 0].tolist()
        assert set(expected) <= set(received) and len(set(received)) == len(received) and row not in received
        assert np.allclose(sorted(found.cosine[row][found.other[row] >= 0]), sorted(cosine[row, received]), atol=1e-5)


@settings(deadline=None, max_examples=10)
@given(count=st.integers(100, 400), seed=st.integers(0, 99))
def test_planted_copies_are_found_in_few_lists(count: int, seed: int) -> None:
    table = vectors(count, 12, seed)
    copies = np.random.default_rng(seed).choice(count, count // 10, replace=False)
    table = np.concatenate([table, unit(table[copies] + 0.05 * vectors(len(copies), 12, seed + 1))])
    found = as_set(pairs_of_many(table, 0.3, 5, probes=4, seed=seed))
    planted = {(int(row), count + number) for number, row in enumerate(copies)}
    assert len(planted & found) >= 0.95 * len(planted)


@settings(deadline=None, max_examples=5)
@given(count=st.integers(0, 200), seed=st.integers(0, 99))
def test_the_result_is_the_same_for_a_seed_on_any_number_of_threads(count: int, seed: int) -> None:
    table = vectors(count, 6, seed)
    first = pairs_of_many(table, 0.2, 3, 4, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inverted_lists, "spread", lambda work, items: list(ThreadPoolExecutor(7).map(work, items)))
        second = pairs_of_many(table.copy(), 0.2, 3, 4, seed)
    for name in ("first", "second", "similarity"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


@pytest.mark.parametrize("noise", [0.0, 1e-5])
@pytest.mark.parametrize("others", [0, 500])
def test_thousands_of_equal_vectors_stay_one_group_in_lists_of_limited_length(
    noise: float, others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inverted_lists, "_LENGTH", 64)
    monkeypatch.setattr(inverted_lists, "_BLOCK", 512)
    random = np.random.default_rng(0)
    alike = np.full((1500, 8), 8**-0.5) + random.normal(size=(1500, 8)) * noise
    table = unit(np.concatenate([alike, vectors(others, 8, 1)]).astype(np.float32)[random.permutation(1500 + others)])
    one = np.flatnonzero(table @ np.full(8, 8**-0.5, np.float32) > 0.9999)
    lists = inverted_lists._divided(table, 64, seed=0)
    assert np.diff(lists.starts).max() <= 256
    assert sorted(lists.rows) == list(range(len(table)))
    found = pairs_of_many(table, 0.9999, neighbours=4, probes=8, seed=0)
    assert len(found) <= 6 * len(table)
    assert len(set(groups(len(table), found)[one])) == 1


def test_rows_of_zeros_are_similar_to_nothing() -> None:
    table = np.concatenate([np.zeros((200, 4), np.float32), vectors(50, 4, 0)])
    found = pairs_of_many(table, 0.1, 3, 8, 0)
    assert len(found) and found.first.min() >= 200


def test_the_order_of_rows_is_part_of_what_determines_the_result_and_so_is_the_seed() -> None:
    table = vectors(400, 6, 0)
    assert [len(pairs_of_many(table, 0.2, 3, 1, seed)) for seed in (0, 0)] == [len(pairs_of_many(table, 0.2, 3, 1, 0))] * 2
    assert as_set(pairs_of_many(table, 0.2, 3, 1, 0)) != as_set(pairs_of_many(table, 0.2, 3, 1, 1))
