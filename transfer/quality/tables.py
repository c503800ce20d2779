"""Tables of rows that need not be in memory: arrays, or what lies in the feature store, of which only some rows are read at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

BLOCK = 4096
"""Rows read at a time."""


class Table(Protocol):
    """n rows of numbers: an array [n, ...], or what gives these arrays for the rows asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As that of an array."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        """Return the rows of a slice, or those of an array of their numbers."""


def blocks(count: int, size: int = 0) -> Iterator[slice]:
    """Divide `count` rows into slices of at most `size`, or `BLOCK`."""
    size = size or BLOCK
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def whole(table: Table) -> Iterator[slice]:
    """Divide a table into slices as they are best computed: an array as a whole, other tables in blocks."""
    return blocks(len(table), max(len(table), 1) if isinstance(table, np.ndarray) else BLOCK)


@dataclass(frozen=True)
class Standardized:
    """Tables side by side, each value with zero mean and unit variance over all rows; values that do not vary are zeros.

    Attributes:
        tables: each [n, any width].
        means: of the values of all tables, float32 [d].
        scales: what their differences from the mean are multiplied with, float32 [d].
        rows: numbers of the rows that are wanted, int [m]; none: all.
    """

    tables: Sequence[Table]
    means: np.ndarray
    scales: np.ndarray
    rows: np.ndarray | None = None

    @classmethod
    def of(cls, tables: Mapping[str, Table]) -> "Standardized":
        """Read each table once, and return them side by side."""
        moments = [_moments(table) for table in tables.values()]
        means, scales = (np.concatenate(column) for column in zip(*moments, strict=True))
        return cls(list(tables.values()), means, scales)

    def of_rows(self, rows: np.ndarray) -> "Standardized":
        """Return the table of some of its rows."""
        return Standardized(self.tables, self.means, self.scales, rows if self.rows is None else self.rows[rows])

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows and of values."""
        return len(self), len(self.means)

    def __len__(self) -> int:
        return len(self.tables[0]) if self.rows is None else len(self.rows)

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        """Return these rows, float32 [m, d]."""
        wanted = rows if self.rows is None else self.rows[rows]
        table = np.concatenate([part[wanted] for part in self.tables], axis=1, dtype=np.float32)
        table -= self.means
        table *= self.scales
        return table


def _moments(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each value and the inverse of its deviation (0 where it does not vary), float32 [d], in a single pass."""
    width = table.shape[1]
    total, squares, largest = np.zeros(width), np.zeros(width), np.full(width, 1e-30)
    shift = table[slice(0, 1)].astype(np.float64).reshape(-1, width)[:1]  # keeps the difference of squares accurate
    for part in blocks(len(table)):
        rows = table[part]
        largest = np.maximum(largest, np.maximum(rows.max(axis=0), -rows.min(axis=0)))
        rows = rows - shift.astype(np.float32)
        total += rows.sum(axis=0, dtype=np.float64)
        squares += np.einsum("nd,nd->d", rows, rows)
    mean = total / len(table)
    deviation = np.sqrt(np.maximum(squares / len(table) - mean**2, 0))
    scales = np.divide(1.0, deviation, out=np.zeros(width), where=deviation > 1e-6 * largest)
    return (mean + shift[0]).astype(np.float32), scales.astype(np.float32)
