"""Progress of long-running work: the interface that the library calls. What people see of it is in `terminal.py`."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from transfer.errors import ConfigError

Advance = Callable[[int], None]


class Progress(Protocol):
    """Receives the progress of long-running work."""

    def step(self, title: str, total: int | None, unit: str = "images") -> AbstractContextManager[Advance]:
        """Begin a step of `total` units; call the yielded function with the number of newly completed units."""
        ...

    def say(self, text: str) -> None:
        """Show one line of text."""
        ...


def tell_epoch(progress: Progress, row: Mapping[str, Any]) -> None:
    """Give a row of the history to a progress that has the method `epoch`, as that of a run which is recorded elsewhere has."""
    told = getattr(progress, "epoch", None)
    if told is not None:
        told(row)


class Silent:
    """Reports nothing."""

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
        yield lambda count: None

    def say(self, text: str) -> None:
        pass


def shown(progress: Progress | bool | None) -> Progress:
    """Return where progress is reported.

    Args:
        progress: True: bars on a terminal, lines in a notebook, a pipe or a log, all on standard error; False: nothing. None: as True on a
            terminal or in a notebook, nothing elsewhere. An object of one's own is taken as it is.

    Raises:
        ConfigError: for anything else.
    """
    if isinstance(progress, bool | None):
        if progress is False or (progress is None and not (_in_notebook() or (sys.stderr is not None and sys.stderr.isatty()))):
            return Silent()
        from transfer.system.terminal import Notebook, Terminal  # imports rich

        return Notebook() if _in_notebook() else Terminal()
    if not (callable(getattr(progress, "step", None)) and callable(getattr(progress, "say", None))):
        raise ConfigError(f"progress: expected True, False, None or an object with the methods step and say. Received {progress!r:.100}.")
    return progress


def _in_notebook() -> bool:
    """Return whether this is the kernel of a notebook, which has imported IPython."""
    module: Any = sys.modules.get("IPython")
    return module is not None and hasattr(module.get_ipython(), "kernel")


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
