"""Long sequences whose items are made when they are asked for: a million keys or paths would take a hundred megabytes each."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, overload

import numpy as np

T = TypeVar("T")

_TOGETHER = 1024  # items made at a time by whoever goes through all of them


class Made(Sequence[T]):
    """A sequence that keeps nothing.

    Args:
        count: number of items.
        make: positions, int64 [m], each in [0, count) -> the m items.
    """

    def __init__(self, count: int, make: Callable[[np.ndarray], list[T]]) -> None:
        self._count, self.at = count, make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> list[T]: ...
    def __getitem__(self, place: int | slice) -> T | list[T]:
        if isinstance(place, slice):
            return self.at(np.arange(*place.indices(self._count)))
        return self.at(np.array([range(self._count)[place]]))[0]

    def __iter__(self) -> Iterator[T]:
        for start in range(0, self._count, _TOGETHER):
            yield from self[start : start + _TOGETHER]


def taken(items: Sequence[T], numbers: np.ndarray) -> list[T]:
    """Return the items at these positions."""
    return items.at(numbers) if isinstance(items, Made) else [items[number] for number in numbers.tolist()]
