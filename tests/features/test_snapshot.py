"""Records in memory are those of the store they were taken from."""

import hashlib
import pickle
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer.errors import StoreError
from transfer.features.snapshot import Snapshot, packed
from transfer.features.store import FeatureSet, Store, key, open_store

OUTPUTS = {
    "top:avg": (np.dtype(np.float32), 5),
    "map": (np.dtype(np.float16), 12),
    "pixels": (np.dtype(np.uint8), 27),
    "thin": (np.dtype(np.float32), 5),
}
COUNT = 40


def keys(output: str, numbers: list[int]) -> list[bytes]:
    return [key(hashlib.sha256(str(number).encode()).hexdigest(), "0", output) for number in numbers]


@pytest.fixture
def store() -> Iterator[Store]:
    random = np.random.default_rng(0)
    with open_store(FeatureSet("made-up", "", 16, "stretch", "1", "float32")) as opened:
        for output, (dtype, width) in OUTPUTS.items():
            table = random.integers(0, 200, (COUNT, width)).astype(dtype)
            opened.put({name: row.tobytes() for name, row in zip(keys(output, list(range(COUNT))), table, strict=True)})
        yield opened


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.integers(0, COUNT - 1), max_size=60), st.sampled_from(list(OUTPUTS)))
def test_any_records_in_any_order_are_those_of_the_store(store: Store, numbers: list[int], output: str) -> None:
    everything = {name: [packed(keys(name, list(range(COUNT)))), packed(keys(name, [3, 3]))] for name in OUTPUTS}
    taken = pickle.loads(pickle.dumps(Snapshot.of(store, everything)))
    dtype, width = OUTPUTS[output]
    wanted = keys(output, numbers)
    expected = store.get(wanted, dtype)
    received = taken.get(wanted, dtype)
    assert received.dtype == dtype and received.tobytes() == expected.tobytes()
    beside = np.zeros((len(numbers), width + 3), dtype)  # columns of a wider table, as several outputs side by side are read
    taken.get(wanted, dtype, beside[:, 2 : 2 + width])
    assert (beside[:, 2 : 2 + width] == expected.reshape(-1, width)).all() and not beside[:, :2].any() and not beside[:, -1:].any()


def test_a_key_that_ends_in_zeros_is_a_key_like_any(store: Store) -> None:
    names = [bytes([7] * 40 + [0] * 8), bytes([7] * 39 + [0] * 9), bytes(48)]
    store.put({name: bytes([number] * 4) for number, name in enumerate(names)})
    taken = Snapshot.of(store, {"odd": [packed(names)]})
    assert taken.get(names, np.dtype(np.uint8))[:, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("numbers", [[COUNT], [0, COUNT], [COUNT, 0]])
def test_a_record_that_was_not_taken_is_an_error(store: Store, numbers: list[int]) -> None:
    taken = Snapshot.of(store, {"top:avg": [packed(keys("top:avg", list(range(COUNT))))], "none": []})
    with pytest.raises(StoreError, match="Not all of the"):
        taken.get(keys("top:avg", numbers), np.dtype(np.float32))


def test_what_the_store_lacks_cannot_be_taken(store: Store) -> None:
    with pytest.raises(StoreError, match="lost a record"):
        Snapshot.of(store, {"top:avg": [packed(keys("top:avg", [0, COUNT]))]})
