"""Progress of long-running work: the interface that the library calls. The bars of the terminal are in `cli/terminal.py`."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Receives the progress of long-running work."""

    def step(self, title: str, total: int | None, unit: str = "images") -> AbstractContextManager[Advance]:
        """Begin a step of `total` units; call the yielded function with the number of newly completed units."""
        ...

    def say(self, text: str) -> None:
        """Show one line of text."""
        ...


class Silent:
    """Reports nothing: the default of the Python functions."""

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
        yield lambda count: None

    def say(self, text: str) -> None:
        pass


class Clock:
    """Measures the seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block; blocks of the same stage add up."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started

    def rounded(self) -> dict[str, float]:
        """Return the seconds of each stage, and in `total` those since the clock was created, rounded to hundredths."""
        return {stage: round(seconds, 2) for stage, seconds in {**self.seconds, "total": self.total()}.items()}

    def total(self) -> float:
        """Return the seconds since the clock was created."""
        return time.perf_counter() - self._started
