"""How long work reports on itself. The library calls this interface; the terminal's bars live in `console.py`."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Receives the steps of a long job."""

    def step(self, title: str, total: int | None, unit: str = "images") -> AbstractContextManager[Advance]:
        """Open one step of `total` units; call the yielded function with how many more are done."""
        ...

    def say(self, text: str) -> None:
        """One line of news for the person who waits."""
        ...


class Silent:
    """Reports nothing: the default of the Python functions."""

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
        yield lambda count: None

    def say(self, text: str) -> None:
        pass


class Clock:
    """Seconds of each stage of a run."""

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
        """Return the seconds of each stage and since the clock was made, to hundredths."""
        return {stage: round(seconds, 2) for stage, seconds in {**self.seconds, "total": self.total()}.items()}

    def total(self) -> float:
        """Return the seconds since the clock was made."""
        return time.perf_counter() - self._started
