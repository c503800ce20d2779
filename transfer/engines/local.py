"""This process as the engine: the default. One worker gets all items, so that it can read ahead as it likes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from transfer.engines.engine import Items, Worker

R = TypeVar("R")


class Local:
    """Runs everything here, in the order of the items; see `Engine`."""

    def stream(self, make_worker: Callable[[], Worker[R]], items: Items, batch_size: int) -> Iterator[tuple[np.ndarray, R]]:
        yield from make_worker()(items)

    def map(self, function: Callable[[Any], R], items: Sequence[Any]) -> Iterator[R]:
        yield from map(function, items)

    def titled(self, title: str) -> str:
        return title


LOCAL = Local()
