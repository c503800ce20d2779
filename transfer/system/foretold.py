"""How long a step will take, told once it is known: where no bar shows it, nobody should wait for minutes without having been told."""

import time
from collections.abc import Callable

_MEASURED = 3.0  # seconds from the first units on: what comes before them, compiling, says nothing of the others
_LONG = 60.0
_AT_MOST = "epochs"  # training may stop early


class Foretold:
    """Watches a step, and says how long it takes in all, if that is more than a minute."""

    def __init__(self, title: str, total: int | None, unit: str, say: Callable[[str], None]) -> None:
        """Begin to watch a step of `total` units; None: unknown, nothing is said."""
        self._title, self._total, self._unit, self._say = title, total, unit, say
        self._begun = time.perf_counter()
        self._first: tuple[float, int] | None = None
        self._done, self._told = 0, total is None

    def advance(self, count: int) -> None:
        """Count units that are done."""
        self._done += count
        now = time.perf_counter()
        if self._told or not self._done:
            return
        if self._first is None:
            self._first = now, self._done
        elif now - self._first[0] >= _MEASURED and self._done > self._first[1]:
            self._told = True
            each = (now - self._first[0]) / (self._done - self._first[1])
            whole = now - self._begun + each * (int(self._total or 0) - self._done)
            if whole > _LONG:
                at_most = "at most " if self._unit == _AT_MOST else ""
                self._say(f"{self._title}: {self._total:,} {self._unit}, {at_most}about {duration(whole)}")


def duration(seconds: float) -> str:
    """Return a time in words that are as exact as an estimate is: `4 min`, `2.5 h`, `3 days`."""
    if seconds < 90 * 60:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.2g} h" if seconds < 48 * 3600 else f"{round(seconds / 86400)} days"
