"""What long-running commands start with: TensorFlow, and progress on the terminal and in the log file."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transfer.cli import console
from transfer.cli.log_file import LogFile
from transfer.system import startup
from transfer.system.foretold import Foretold
from transfer.system.progress import Advance, Progress, Silent
from transfer.system.terminal import Terminal, summary


class _Logged:
    """Progress that is also written to the log file: what is said, and each step with what was done and how long it took."""

    def __init__(self, progress: Progress, log: LogFile) -> None:
        self._progress, self._log = progress, log

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
        done, started, foretold = 0, time.perf_counter(), Foretold(title, total, unit, self._log.write)

        def advance(count: int) -> None:
            nonlocal done
            done += count
            foretold.advance(count)
            shown(count)

        with self._progress.step(title, total, unit) as shown:
            yield advance
        self._log.write(summary(title, done, unit, time.perf_counter() - started))

    def say(self, text: str) -> None:
        self._log.write(text)
        self._progress.say(text)


def started(settings: str = "", protected: Iterable[Path] = ()) -> Progress:
    """Start what long-running commands need: TensorFlow without its log output, and progress bars.

    Args:
        settings: those in force, for `--verbose`.
        protected: the user's data, in which `--log-file` must not lie.
    """
    answers = console.current()
    if answers.log is not None:
        answers.log.require_outside(protected)  # known now also where a configuration file names it
    if answers.verbose:
        console.tell(settings)
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
    startup.import_tensorflow_quietly(shown=answers.verbose)
    return progress()


def progress() -> Progress:
    """Return what shows the progress of a command."""
    answers = console.current()
    shown: Progress = Silent() if answers.quiet else Terminal()
    return shown if answers.log is None else _Logged(shown, answers.log)
