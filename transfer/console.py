"""Progress bars on a terminal, and TensorFlow imported without its chatter."""

import atexit
import gc
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from transfer.progress import Advance


class Terminal:
    """Bars with images/s and time left where a person looks on; one line a step where nobody does (a pipe, a log)."""

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


@contextmanager
def hearing(level: str) -> Iterator[None]:
    """Let TensorFlow's Python parts say only what is as grave as `level` (`ERROR`), or as they were let to before, for a while."""
    import tensorflow as tf

    logger = tf.get_logger()
    before = logger.level
    logger.setLevel(max(before, logging.getLevelNamesMapping()[level]))
    try:
        yield
    finally:
        logger.setLevel(before)


def import_tensorflow_quietly() -> None:
    """Import TensorFlow with what its C++ parts print at start held back; it is shown where the import fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held, _importing():
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow as tf

            tf.get_logger().setLevel("ERROR")
            tf.constant(0)  # the first operation starts the devices, and prints as well
        except Exception:  # not Ctrl-C: what was held back explains nothing then
            os.dup2(before, 2)
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)


@contextmanager
def _importing() -> Iterator[None]:
    """Keep the garbage collector from the million objects of TensorFlow's modules, which are never garbage.

    Looking through them takes half a second of the import and one of the program's end, when nothing needs collecting any more.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        atexit.register(gc.freeze)
        if collects:
            gc.enable()


def started() -> Terminal:
    """Start what the long commands need: TensorFlow without its chatter, and the bars."""
    import_tensorflow_quietly()
    return Terminal()
