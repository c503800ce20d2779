"""Stored features for training: rows by number, from memory if they fit, otherwise from the store."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from transfer.features.snapshot import Readable
from transfer.system.sequences import taken

_ALIGNMENT = 64  # bytes


@dataclass
class StoredRows:
    """Rows [n, width] of float32 features (or uint8 pixels), read from a store.

    Attributes:
        store: where they are stored, or a part of it in memory; must stay open.
        keys: for each output, whose columns stand side by side, the key of each row.
        widths: values of each output in a row.
        dtype: dtype of the records.
        memory_bytes: a table of at most this size is kept in memory; larger ones are read from the store at each use.
    """

    store: Readable
    keys: Sequence[Sequence[bytes]]
    widths: Sequence[int]
    dtype: np.dtype
    memory_bytes: int
    _loaded: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.keys[0])

    @property
    def width(self) -> int:
        """Values in a row."""
        return sum(self.widths)

    @property
    def fits(self) -> bool:
        """Whether the whole table is kept in memory."""
        return len(self) * self.width * self.dtype.itemsize <= self.memory_bytes

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Return these rows, [m, width]; 16-bit records as float32, others in their own dtype."""
        return _widened(self.take_stored(numbers))

    def take_stored(self, numbers: np.ndarray) -> np.ndarray:
        """Return these rows, [m, width], in the dtype of the records."""
        return self._kept()[numbers] if self.fits else self._read(numbers)

    def everything_stored(self) -> np.ndarray:
        """Return all rows in the dtype of the records, without keeping a second copy: for callers that keep them."""
        return self._read() if self._loaded is None else self._loaded

    def everything(self) -> np.ndarray:
        """Return all rows, like `take`; for tables known to be small (pooled features)."""
        return _widened(self._kept() if self.fits else self._read())

    def moments(self, batch: int = 1024) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and variance of each column, float32 [width], computed in float64 over batches of rows."""
        total, squares = np.zeros(self.width), np.zeros(self.width)
        shift = self.take(np.arange(1))[0].astype(np.float64)  # keeps the difference of squares accurate
        for start in range(0, len(self), batch):
            rows = self.take(np.arange(start, min(start + batch, len(self)))) - shift
            total += rows.sum(0)
            squares += (rows * rows).sum(0)
        mean = total / len(self)
        variance = np.maximum(squares / len(self) - mean * mean, 0.0)
        return (mean + shift).astype(np.float32), variance.astype(np.float32)

    def _kept(self) -> np.ndarray:
        if self._loaded is None:
            self._loaded = self._read()
        return self._loaded

    def _read(self, numbers: np.ndarray | None = None) -> np.ndarray:
        """Read these rows; none: all."""
        rows = _aligned((len(self) if numbers is None else len(numbers), self.width), self.dtype)
        end = 0
        for keys, width in zip(self.keys, self.widths, strict=True):
            start, end = end, end + width
            self.store.get(keys if numbers is None else taken(keys, numbers), self.dtype, rows[:, start:end])
        return rows


def _aligned(shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """Return an array that TensorFlow can hold without a copy of its own."""
    count = math.prod(shape) * dtype.itemsize
    buffer = np.empty(count + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + count].view(dtype).reshape(shape)


def _widened(rows: np.ndarray) -> np.ndarray:
    return rows if rows.dtype in (np.float32, np.uint8) else rows.astype(np.float32)
