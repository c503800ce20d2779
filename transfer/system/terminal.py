"""Progress as people see it: bars on a terminal, a line a step in pipes and logs, a line that renews itself in a notebook."""

import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from transfer.system.foretold import Foretold
from transfer.system.progress import Advance

_RENEWED = 0.5  # seconds between two states of a line in a notebook


class _Time(ProgressColumn):
    """The time left or, of a step that has ended, the time it took."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        ended = task.fields["ended"]
        seconds = task.elapsed if ended else task.time_remaining
        return Text(f"{'in' if ended else 'left'} {'-:--:--' if seconds is None else timedelta(seconds=int(seconds))}")


class Terminal:
    """Progress bars with images/s and time left on a terminal; elsewhere (a pipe, a log) one line per step."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, emoji=False)

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
        whole = Column(no_wrap=True)
        columns = [
            TextColumn("{task.description:20}", table_column=Column()),  # a long title is broken between words; the figures are not
            BarColumn(bar_width=40 if self._console.width >= 110 else 10),  # the figures matter more than the bar
            MofNCompleteColumn(table_column=whole),
            TextColumn("{task.fields[rate]}", table_column=whole),
            _Time(table_column=whole),
        ]
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as progress:
            task = progress.add_task(title, total=total, rate="", ended=False)
            # A bar shows the time that is left; lines do not.
            foretold = Foretold(title, None if self._console.is_terminal else total, unit, self.say)

            def advance(count: int) -> None:
                foretold.advance(count)
                progress.advance(task, count)
                speed = progress.tasks[0].finished_speed or progress.tasks[0].speed
                progress.update(task, rate=_rate(speed, unit) if speed else "")

            yield advance
            progress.stop_task(task)
            done, seconds = progress.tasks[0].completed, progress.tasks[0].elapsed or 0.0
            progress.update(task, ended=True, rate=_rate(done / max(seconds, 1e-9), unit))
        if not self._console.is_terminal:
            self._console.print(summary(title, done, unit, seconds), soft_wrap=True)

    def say(self, text: str) -> None:
        """Print news, on a terminal in lines broken between words."""
        self._console.print(text, markup=False, soft_wrap=not self._console.is_terminal)


class Notebook:
    """One line of output for each step, renewed in place, and one for each piece of news; what shows it needs no widgets."""

    def __init__(self) -> None:
        self._display = importlib.import_module("IPython.display").display  # of the notebook; not ours to install

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
        started = shown = time.perf_counter()
        done = 0
        line = self._display(_plain(_state(title, 0, total, unit, 0.0)), raw=True, display_id=True)

        def advance(count: int) -> None:
            nonlocal done, shown
            done += count
            if time.perf_counter() - shown >= _RENEWED:
                shown = time.perf_counter()
                line.update(_plain(_state(title, done, total, unit, shown - started)), raw=True)

        yield advance
        line.update(_plain(summary(title, done, unit, time.perf_counter() - started)), raw=True)

    def say(self, text: str) -> None:
        """Show news."""
        self._display(_plain(text), raw=True)


def _plain(text: str) -> dict[str, str]:
    return {"text/plain": text}


def _state(title: str, done: int, total: int | None, unit: str, seconds: float) -> str:
    """Return how far a step is, and what is left of it."""
    if not total or not done:
        return f"{title}: {done:,}{f' of {total:,}' if total else ''} {unit}"
    left = timedelta(seconds=round(seconds / done * (total - done)))
    return f"{title}: {done:,} of {total:,} {unit}, {_rate(done / max(seconds, 1e-9), unit)}, left {left}"


def summary(title: str, done: float, unit: str, seconds: float) -> str:
    """Return what a step has done, in a line."""
    return f"{title}: {done:,.0f} {unit} in {seconds:.1f} s ({_rate(done / max(seconds, 1e-9), unit)})"


def _rate(speed: float, unit: str) -> str:
    return f"{speed:,.{0 if speed >= 1000 else 1}f} {unit}/s"
