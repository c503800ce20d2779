"""Stored rows: the same numbers from memory and from the store, and moments that are those of the whole table."""

from collections.abc import Iterator

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from transfer.errors import StoreError
from transfer.features.arrays import StoredRows
from transfer.features.keys import by_name
from transfer.features.store import FeatureSet, Store, key, open_store

COUNT, WIDTH = 23, 6
IN_MEMORY, IN_STORE = 1 << 20, 0


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store(FeatureSet("made-up", "", 8, "stretch", "1", "float32")) as opened_store:
        yield opened_store


def rows(store: Store, table: np.ndarray, memory: int) -> StoredRows:
    keys = [key(f"{number:064x}", "0", "top:avg") for number in range(len(table))]
    store.put({key: row.tobytes() for key, row in zip(keys, table, strict=True)})
    return StoredRows(store, [keys], [table.shape[1]], table.dtype, memory)


def made_up(dtype: type) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (COUNT, WIDTH)).astype(dtype)


@pytest.mark.parametrize("memory", [IN_MEMORY, IN_STORE])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.uint8])
def test_rows_come_by_number_in_the_order_asked_for_and_as_often(store: Store, dtype: type, memory: int) -> None:
    table = made_up(dtype)
    numbers = np.array([5, 0, 22, 5])
    received = rows(store, table, memory).take(numbers)
    assert received.dtype == (np.uint8 if dtype is np.uint8 else np.float32), "16-bit records are given as float32"
    assert np.array_equal(received, table[numbers].astype(received.dtype))


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.uint8])
def test_memory_and_store_give_the_same(store: Store, dtype: type) -> None:
    table = made_up(dtype)
    kept, read = rows(store, table, IN_MEMORY), rows(store, table, IN_STORE)
    assert kept.everything().tobytes() == read.everything().tobytes()
    assert [moment.tobytes() for moment in kept.moments()] == [moment.tobytes() for moment in read.moments()]
    assert len(kept) == len(read) == COUNT


@pytest.mark.parametrize(("memory", "fits"), [(COUNT * WIDTH * 2, True), (COUNT * WIDTH * 2 - 1, False)])
def test_a_table_is_kept_in_memory_up_to_the_limit(store: Store, memory: int, fits: bool) -> None:
    table = rows(store, made_up(np.float16), memory)
    assert table.fits is fits
    table.everything()
    store.put({table.keys[0][0]: np.zeros(WIDTH, np.float16).tobytes()})
    assert table.take(np.array([0])).any() == fits, "only one that is kept does not see the change"


@pytest.mark.parametrize("memory", [IN_MEMORY, IN_STORE])
def test_a_lost_record_is_reported(store: Store, memory: int) -> None:
    table = rows(store, made_up(np.float32), memory)
    table.keys = [[*table.keys[0], b"\0" * 48]]
    with pytest.raises(StoreError, match="lost a record"):
        table.take(np.array([0, COUNT]))


@pytest.mark.parametrize("memory", [IN_MEMORY, IN_STORE])
def test_several_outputs_stand_side_by_side(store: Store, memory: int) -> None:
    table = made_up(np.float32)
    whole = rows(store, table, memory)
    halves = [[key(f"{number:064x}", "0", f"half:{half}") for number in range(COUNT)] for half in range(2)]
    for half, columns in zip(halves, (table[:, :3], table[:, 3:]), strict=True):
        store.put({key: row.tobytes() for key, row in zip(half, columns, strict=True)})
    joined = StoredRows(store, halves, [3, WIDTH - 3], table.dtype, memory)
    numbers = np.array([5, 0, 22, 5])
    assert len(joined) == COUNT and joined.width == WIDTH and joined.fits == whole.fits
    assert np.array_equal(joined.take(numbers), table[numbers])
    assert [moment.tobytes() for moment in joined.moments()] == [moment.tobytes() for moment in whole.moments()]


@pytest.mark.parametrize("batch", [1, 7, COUNT, 1024])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_moments_are_those_of_numpy_whatever_the_batch(store: Store, dtype: type, batch: int) -> None:
    table = made_up(dtype)
    mean, variance = rows(store, table, IN_MEMORY).moments(batch)
    np.testing.assert_allclose(mean, table.astype(np.float64).mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance, table.astype(np.float64).var(0), rtol=1e-6)
    assert mean.dtype == variance.dtype == np.float32


def test_the_variance_of_large_values_is_not_lost_by_rounding(store: Store) -> None:
    table = (1e5 + np.random.default_rng(0).normal(size=(COUNT, WIDTH))).astype(np.float32)
    _, variance = rows(store, table, IN_MEMORY).moments()
    np.testing.assert_allclose(variance, table.astype(np.float64).var(0), rtol=1e-5)


def test_a_column_that_never_varies_has_variance_zero(store: Store) -> None:
    mean, variance = rows(store, np.full((COUNT, WIDTH), 0.1, np.float32), IN_MEMORY).moments()
    assert not variance.any() and np.array_equal(mean, np.full(WIDTH, 0.1, np.float32))


tables = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.floats(-1e3, 1e3, width=32))


class Table(StoredRows):
    """Rows that lie nowhere but in an array."""

    def take(self, numbers: np.ndarray) -> np.ndarray:
        return self.array[numbers]


@settings(max_examples=60, deadline=None)
@given(tables, st.integers(1, 5))
def test_moments_of_any_table(table: np.ndarray, batch: int) -> None:
    stored = Table(None, [[b""] * len(table)], [table.shape[1]], table.dtype, 0)
    stored.array = table
    mean, variance = stored.moments(batch)
    np.testing.assert_allclose(mean, table.astype(np.float64).mean(0), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(variance, table.astype(np.float64).var(0), rtol=1e-4, atol=1e-3)
    assert (variance >= 0).all()


@pytest.mark.parametrize("memory", [IN_MEMORY, IN_STORE])
def test_rows_by_keys_that_are_made_when_needed_are_the_same(store: Store, memory: int) -> None:
    table = made_up(np.float32)
    listed = rows(store, table, memory)
    made = StoredRows(store, [by_name([f"{number:064x}" for number in range(COUNT)], [("0", "top:avg")])], [WIDTH], table.dtype, memory)
    numbers = np.array([5, 0, 22, 5])
    assert len(made) == COUNT and np.array_equal(made.take(numbers), listed.take(numbers))
    assert np.array_equal(made.everything(), table) and np.array_equal(made.everything_stored(), table)


def test_rows_that_are_held_in_memory_are_held_once(store: Store) -> None:
    held = rows(store, made_up(np.float32), IN_MEMORY)
    assert held.everything().ctypes.data % 64 == 0, "TensorFlow copies what is not aligned"
    held.take(np.array([0]))
    assert held.everything() is held.everything_stored()
