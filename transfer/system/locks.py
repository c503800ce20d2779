"""Locks between processes, on files and folders. The system drops a lock when its process ends, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let one process at a time, on this machine, into a block: the others wait. `path` is a file that is made for this and kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def taken_by_another(file: IO[str]) -> str:
    """Lock a file opened in mode `a+` until it is closed, and write the number of this process to it.

    Returns:
        Empty if this process now holds the lock; otherwise the process that holds it: `number 123`, or `unknown number`.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        number = file.read().strip()
        return f"number {number}" if number.isdigit() else "unknown number"
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return ""


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Lock a file or folder that exists for a block, without waiting.

    Raises:
        BlockingIOError: if it is locked already.
        OSError: if it is not there, or the file system has no locks.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Return whether a file or folder is locked by anyone; False where it is not there, or the file system has no locks."""
    try:
        with holding(path):
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False
