"""Progress bars on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from transfer.system import startup
from transfer.system.progress import Advance


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

            def advance(count: int) -> None:
                progress.advance(task, count)
                speed = progress.tasks[0].finished_speed or progress.tasks[0].speed
                progress.update(task, rate=_rate(speed, unit) if speed else "")

            yield advance
            progress.stop_task(task)
            done, seconds = progress.tasks[0].completed, progress.tasks[0].elapsed or 0.0
            progress.update(task, ended=True, rate=_rate(done / max(seconds, 1e-9), unit))
        if not self._console.is_terminal:
            rate = _rate(done / max(seconds, 1e-9), unit)
            self._console.print(f"{title}: {done:,.0f} {unit} in {seconds:.1f} s ({rate})", soft_wrap=True)

    def say(self, text: str) -> None:
        """Print news, on a terminal in lines broken between words."""
        self._console.print(text, markup=False, soft_wrap=not self._console.is_terminal)


def _rate(speed: float, unit: str) -> str:
    return f"{speed:,.{0 if speed >= 1000 else 1}f} {unit}/s"


def started() -> Terminal:
    """Start what long-running commands need: TensorFlow without its log output, and progress bars."""
    startup.import_tensorflow_quietly()
    return Terminal()
