"""Tables read in blocks give what arrays give."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.quality import tables
from transfer.quality.tables import Standardized, blocks, whole
from transfer.quality.vectors import standardized


@dataclass(frozen=True)
class Lazy:
    """An array of which only rows can be had."""

    table: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.table.shape

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        return self.table[rows].copy()


@given(st.integers(0, 50), st.integers(1, 60))
def test_blocks_are_all_rows_in_order(count: int, size: int) -> None:
    parts = [np.arange(count)[part] for part in blocks(count, size)]
    assert np.concatenate([np.zeros(0, int), *parts]).tolist() == list(range(count))
    assert all(0 < len(part) <= size for part in parts)


def test_an_array_is_one_block_and_another_table_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BLOCK", 4)
    assert list(whole(np.zeros((9, 2)))) == [slice(0, 9)]
    assert list(whole(Lazy(np.zeros((9, 2))))) == [slice(0, 4), slice(4, 8), slice(8, 9)]
    assert list(whole(np.zeros((0, 2)))) == []


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 60), st.integers(1, 6), st.integers(0, 99), st.sampled_from([0.0, 1.0, 1e4]))
def test_standardised_in_blocks_as_at_once(count: int, width: int, seed: int, shift: float) -> None:
    random = np.random.default_rng(seed)
    one = (shift + random.normal(size=(count, width)) * random.uniform(0.1, 9, width)).astype(np.float32)
    one[:, 0] = shift  # does not vary
    other = random.normal(size=(count, 2)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "BLOCK", 7)
        found = Standardized.of({"one": Lazy(one), "other": Lazy(other)})
    assert (found.shape, len(found)) == ((count, width + 2), count)
    expected = np.concatenate([standardized(one), standardized(other)], axis=1)
    # The mean of values of 10,000 is rounded to about 0.001 in float32, a hundredth of the smallest deviation.
    np.testing.assert_allclose(found[:], expected, atol=3e-2 if shift > 1 else 1e-4)
    some = random.permutation(count)[: count // 2 + 1]
    assert found[some].tobytes() == found.of_rows(some)[:].tobytes()
    assert found[some].tobytes() == found.of_rows(some[::-1]).of_rows(np.arange(len(some))[::-1])[:].tobytes()
