"""How much may be in memory at once, and work that runs ahead of those who need its results."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Room:
    """So much may be held at once; what is larger than that is held alone.

    A thread claims once at a time: one that waited for more while it holds some could wait for ever.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity, self._held = capacity, 0
        self._changed = threading.Condition()

    @contextmanager
    def claim(self, amount: int) -> Iterator[None]:
        """Wait until there is room for so much; hold it for as long as the block lasts."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + amount <= self.capacity)
            self._held += amount
        try:
            yield
        finally:
            with self._changed:
                self._held -= amount
                self._changed.notify_all()


def ahead(work: Callable[[T], R], items: Iterable[T], threads: int, waiting: int) -> Generator[R, None, None]:
    """Call `work` with each item on several threads and yield the results in the order of the items.

    At most `waiting` items are under way or done and not yet asked for. The first exception of any call is raised in its
    place; what has not begun by then, or when the iterator is closed, is not begun.
    """
    under_way: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads, "images")
    try:
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) >= waiting:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
