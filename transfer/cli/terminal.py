"""Progress bars on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from transfer.system import startup
from transfer.system.progress import Advance


class Terminal:
    """Progress bars with images/s and time left on a terminal; elsewhere (a pipe, a log) one line per step."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = [
            TextColumn("{task.description:20}"),
            BarColumn(bar_width=40 if self._console.width >= 110 else 10),  # the figures matter more than the bar
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("left"),
            TimeRemainingColumn(),
        ]
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as progress:
            task = progress.add_task(title, total=total, rate="")

            def advance(count: int) -> None:
                progress.advance(task, count)
                speed = progress.tasks[0].finished_speed or progress.tasks[0].speed
                progress.update(task, rate=f"{speed:,.1f} {unit}/s" if speed else "")

            yield advance
            done, seconds = progress.tasks[0].completed, progress.tasks[0].elapsed or 0.0
        if not self._console.is_terminal:
            self._console.print(f"{title}: {done:,.0f} {unit} in {seconds:.1f} s ({done / max(seconds, 1e-9):,.1f} {unit}/s)")

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def started() -> Terminal:
    """Start what long-running commands need: TensorFlow without its log output, and progress bars."""
    startup.import_tensorflow_quietly()
    return Terminal()
