"""Training batches: every row once an epoch, in an order that seed and epoch number determine, with its label and weight."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_sample_weight

from transfer.features.arrays import StoredRows
from transfer.features.store import FeatureSet, Store, key, open_store
from transfer.training.batches import Batches, class_weights

COUNT, CLASSES = 23, 3
LABELS = np.arange(COUNT) % CLASSES
WEIGHTS = np.linspace(0.5, 1.5, COUNT).astype(np.float32)
Epoch = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store(FeatureSet("made-up", "", 8, "stretch", "1", "float32")) as opened_store:
        yield opened_store


def batches(
    store: Store, seed: int | None = 0, batch_size: int = 5, memory: int = 1 << 20, dtype: type = np.float32, shape: tuple[int, ...] = (12,)
) -> Batches:
    """Row `n` is all `n`, so that each row of a batch tells which one it is."""
    keys = [key(f"{number:064x}", "0", "top:avg") for number in range(COUNT)]
    store.put({name: np.full(12, number, dtype).tobytes() for number, name in enumerate(keys)})
    rows = StoredRows(store, [keys], [12], np.dtype(dtype), memory)
    return Batches(rows, LABELS, CLASSES, batch_size, shape, WEIGHTS, seed)


def taken(batches: Batches, epochs: int | None = 1, first: int = 0) -> Epoch:
    return [tuple(part.numpy() for part in batch) for batch in batches.dataset(epochs, first)]


def numbers(epoch: Epoch) -> list[int]:
    return [int(row.flat[0]) for rows, _, _ in epoch for row in rows]


@pytest.mark.parametrize("batch_size", [1, 5, COUNT, 100])
@pytest.mark.parametrize("seed", [None, 0])
def test_each_row_comes_once_an_epoch(store: Store, batch_size: int, seed: int | None) -> None:
    made = batches(store, seed, batch_size)
    epoch = taken(made)
    assert sorted(numbers(epoch)) == list(range(COUNT))
    assert len(epoch) == len(made) == int(made.dataset().cardinality())
    assert [len(rows) for rows, _, _ in epoch[:-1]] == [batch_size] * (len(epoch) - 1)


def test_without_a_seed_the_order_is_the_one_given(store: Store) -> None:
    assert numbers(taken(batches(store, seed=None), epochs=2)) == [*range(COUNT), *range(COUNT)]


def test_each_epoch_and_each_seed_has_its_own_order(store: Store) -> None:
    orders = {tuple(batches(store, seed).order(epoch)) for seed in (0, 1) for epoch in (0, 1, 2)}
    assert len(orders) == 6


def test_the_order_depends_on_seed_and_epoch_alone(store: Store) -> None:
    np.random.seed(1)
    first = numbers(taken(batches(store)))
    np.random.seed(2)
    assert numbers(taken(batches(store))) == first == batches(store).order(0).tolist()


def test_epochs_follow_one_another_and_may_begin_later(store: Store) -> None:
    made = batches(store)
    expected = [made.order(epoch).tolist() for epoch in range(4)]
    assert numbers(taken(made, epochs=4)) == [number for order in expected for number in order]
    assert numbers(taken(made, epochs=2, first=2)) == expected[2] + expected[3], "as after an interruption"


def test_endless_batches_are_those_of_the_epochs_one_after_the_other(store: Store) -> None:
    made = batches(store)
    endless = [tuple(part.numpy() for part in batch) for batch in made.dataset(None, first=1).take(2 * len(made))]
    assert numbers(endless) == [*made.order(1), *made.order(2)]


def test_labels_and_weights_go_with_their_rows(store: Store) -> None:
    for rows, one_hot, weights in taken(batches(store)):
        chosen = rows[:, 0].astype(int)
        assert np.array_equal(one_hot, np.eye(CLASSES, dtype=np.float32)[LABELS[chosen]])
        assert np.array_equal(weights, WEIGHTS[chosen])


@pytest.mark.parametrize("dtype", [np.float32, np.float16, tf.bfloat16.as_numpy_dtype, np.uint8])
@pytest.mark.parametrize("shape", [(12,), (2, 2, 3)])
def test_memory_and_store_give_the_same_batches_in_float32(store: Store, dtype: type, shape: tuple[int, ...]) -> None:
    kept = taken(batches(store, dtype=dtype, shape=shape), 2)
    read = taken(batches(store, dtype=dtype, shape=shape, memory=0), 2)
    for a, b in zip(kept, read, strict=True):
        assert a[0].dtype == b[0].dtype == np.float32 and a[0].shape[1:] == shape
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_row_keeps_the_order_of_its_values(store: Store) -> None:
    made = batches(store, seed=None, shape=(2, 2, 3))
    store.put({made.rows.keys[0][0]: np.arange(12, dtype=np.float32).tobytes()})
    assert np.array_equal(taken(made)[0][0][0], np.arange(12).reshape(2, 2, 3))


@pytest.mark.parametrize("memory", [0, 1 << 20])
def test_views_take_turns(store: Store, memory: int) -> None:
    made = replace(batches(store, memory=memory), labels=LABELS[:21], turns=3)  # 7 images: rows 0 to 6 plain, 7 to 13 and 14 to 20 views
    epochs = [numbers(taken(made, first=epoch)) for epoch in range(6)]
    assert len(made) == 2 == int(made.dataset().cardinality())
    for epoch in epochs:
        assert sorted(number % 7 for number in epoch) == list(range(7)), "each image once in an epoch"
    for start in (0, 3):
        assert sorted(itertools.chain.from_iterable(epochs[start : start + 3])) == list(range(21)), "each view once in three epochs"
    assert len({number // 7 for number in epochs[0]}) > 1, "an epoch has plain images and views"
    assert numbers(taken(made, epochs=2, first=3)) == epochs[3] + epochs[4], "as after an interruption"


def test_rows_without_views_keep_their_order(store: Store) -> None:
    made = batches(store)
    assert np.array_equal(made.order(3), np.random.default_rng([0, 3]).permutation(COUNT))


labels = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


@settings(max_examples=60, deadline=None)
@given(labels)
def test_balanced_weights_give_each_class_the_same_and_the_mean_is_1(labels: np.ndarray) -> None:
    weights = class_weights(labels, 5, "balanced")
    totals = [weights[labels == number].sum() for number in np.unique(labels)]
    np.testing.assert_allclose(totals, totals[0], rtol=1e-5)
    assert weights.mean() == pytest.approx(1, rel=1e-5) and weights.dtype == np.float32
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", labels), rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(labels)
def test_without_a_rule_all_weigh_the_same(labels: np.ndarray) -> None:
    assert np.array_equal(class_weights(labels, 5, "none"), np.ones(len(labels), np.float32))
