"""Standard streams that are closed, or that nobody reads any more: what is printed is lost, and the work goes on and ends as usual."""

import io
import os
import select
import sys
from contextlib import suppress
from errno import EBADF, EPIPE
from typing import Any, TextIO


def open_all() -> None:
    """Open standard input, output and error where they are closed, on nothing.

    Otherwise the next files that the program opens get their numbers, and whatever a library prints is written into them.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one


def keep_going() -> None:
    """Let output that cannot be written (closed, a full disk, a pipe without a reader) be lost, instead of ending the program."""
    open_all()
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream: TextIO | None = getattr(sys, name)
        if stream is None or stream is getattr(sys, f"__{name}__"):  # not where a test or a notebook has put its own
            setattr(sys, name, _text(number, stream))


def finish() -> None:
    """Write out what is buffered, and tell on standard error if standard output could not be written, though it has a reader."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    error = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(error, _Lossy) and error.lost is not None and error.lost.errno not in (EPIPE, EBADF):
        print(f"warning: What was printed is incomplete: {error.lost.strerror}.", file=sys.stderr, flush=True)


class _Lossy(io.FileIO):
    """A file that takes everything.

    Attributes:
        lost: the first error.
    """

    lost: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            while (written := super().write(data)) is None:  # a pipe that does not block, and is full
                select.select([], [self.fileno()], [])
            return written
        except OSError as error:
            self.lost = self.lost or error
            return len(data)


def _text(number: int, stream: TextIO | None) -> io.TextIOWrapper:
    is_terminal = os.isatty(number)
    raw = _Lossy(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding if stream is not None else "utf-8",
        errors=stream.errors if stream is not None else "backslashreplace",
        line_buffering=is_terminal or number == 2,
        write_through=bool(getattr(stream, "write_through", False)),
    )
