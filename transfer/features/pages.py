"""The LMDB file of a feature set: how it is opened, and whether its pages can be trusted.

LMDB follows the page numbers and lengths that it finds; damaged ones send it to other pages, or end the process (SIGBUS, SIGSEGV).
So another process reads all keys first: if that fails or dies, the tree of pages is damaged. Values are not read; their damage is
found by checksums, as they are used (`records`).

`python -m transfer.features.pages FOLDER` is that process; it imports nothing but LMDB.
"""

import errno
import functools
import os
import shutil
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import lmdb

from transfer.errors import StoreError
from transfer.system.locks import alone

FIRST_SIZE = 1 << 28
"""Size of the memory map of a new set, bytes; it grows."""

AROUND = 1 << 16
"""Bytes that the system maps around the one that is looked at."""

_MOST_MAPPED = 1 << 28
_KEY_BYTES = 48
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
_DAMAGED = 3
_CRASHES = {-signal.SIGBUS, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGFPE, -signal.SIGILL}
DAMAGE = (
    lmdb.InvalidError, lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PageFullError, lmdb.CursorFullError,
    lmdb.VersionMismatchError, lmdb.PanicError, lmdb.BadTxnError, lmdb.IncompatibleError, lmdb.BadValsizeError,
)  # fmt: skip
"""What LMDB says of damaged files."""


class Mapped:
    """Limits the memory in which an environment's file is mapped: the system counts it as this process's.

    It would be the whole file in the end, as long as there is room for it; what is let go stays in the system's cache.
    """

    def __init__(self) -> None:
        self._bytes = 0

    def looked_at(self, environment: lmdb.Environment, size: int) -> None:
        """Count bytes, `AROUND` for each place, and map the file anew where they are many; no transaction may be open."""
        self._bytes += size
        if self._bytes > _MOST_MAPPED:
            self._bytes, info = 0, environment.info()
            if info["last_pgno"] * environment.stat()["psize"] > _MOST_MAPPED:
                environment.set_mapsize(info["map_size"])


def open_environment(path: Path, padding: int = 0) -> lmdb.Environment:
    """Open the environment in a folder, creating it if needed.

    Args:
        path: the folder.
        padding: at least so many bytes of nothing follow the pages: a record whose page number is damaged ends there, and not
            beyond the end of the file, where reading would end the process. They take no space on the disk.

    Raises:
        lmdb.Error: if it cannot be opened, or is cut short.
    """
    # Other processes may have grown the map; it must not be opened smaller than the file.
    size = max(FIRST_SIZE, 2 * _file_bytes(path))
    environment = lmdb.open(str(path), map_size=size, max_readers=512, readahead=False, meminit=False)
    try:
        with environment.begin(write=bool(padding and environment.stat()["entries"])):  # nobody else writes in the meantime
            needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
            if _file_bytes(path) < needed:
                raise lmdb.CorruptedError(f"its file is cut short ({_file_bytes(path)} of {needed} bytes)")
            if padding and environment.stat()["entries"] and _file_bytes(path) < needed + padding:
                os.truncate(path / "data.mdb", needed + padding)
    except BaseException:
        environment.close()
        raise
    return environment


def problem(path: Path) -> str:
    """Return why the pages of a set cannot be trusted; empty if they can, or if there are none."""
    try:
        found = (path / "data.mdb").stat()
    except OSError:
        return ""
    return _problem(path, found.st_ino, found.st_size, found.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _problem(path: Path, *identity: int) -> str:
    """Let another process read the keys: once for each state of the file."""
    root = str(Path(__file__).parents[2])
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
    command = [sys.executable, "-P", "-m", "transfer.features.pages", str(path)]
    ended = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    if ended.returncode in _CRASHES:
        return f"reading it ended a process ({signal.Signals(-ended.returncode).name})"
    return ended.stdout.strip() if ended.returncode == _DAMAGED else ""  # whatever else went wrong, opening it will tell


def _read_all_keys(path: Path) -> None:
    """Read all keys, then write a record and take it back, which reads the list of free pages.

    Raises:
        lmdb.Error: if something is wrong.
    """
    with open_environment(path) as environment:
        with environment.begin() as transaction:
            count, before = 0, b""
            for name in transaction.cursor().iternext(keys=True, values=False):
                if len(name) != _KEY_BYTES or name <= before:  # also where pages lead round in a circle
                    raise lmdb.CorruptedError("its keys are not in order")
                count, before = count + 1, name
        if count != environment.stat()["entries"]:
            raise lmdb.CorruptedError(f"it has {count} of {environment.stat()['entries']} records")
        transaction = environment.begin(write=True)
        try:
            transaction.put(bytes(_KEY_BYTES), bytes(1 << 13))
        finally:
            transaction.abort()


def set_aside(path: Path) -> None:
    """Move a damaged set aside, in place of one that may be there; the caller holds the lock."""
    shutil.rmtree(aside(path), ignore_errors=True)
    os.rename(path, aside(path))


def aside(path: Path) -> Path:
    """Return where a damaged set lies until a new one has been used."""
    return path.with_name(f".{path.name}.damaged")


def lock(path: Path) -> AbstractContextManager[None]:
    """Let one process at a time open, move or delete sets."""
    return alone(path.parent.with_name(f"{path.parent.name}.lock"))


def explained(error: Exception, path: Path) -> StoreError:
    """Return an error for people, for one of LMDB or of the file system about a set."""
    text = str(error)
    if "No space left" in text:
        return StoreError(
            "The disk of the feature store is full. Completed work is kept: free some space (transfer store prune), then "
            f"run the same command again. Store: {path}"
        )
    if isinstance(error, OSError) and error.errno in _NOT_WRITABLE:  # nothing is damaged
        return StoreError(
            f"The feature store cannot be written: {error.strerror}. Set TRANSFER_HOME to a folder that you can write, or change the "
            f"permissions. Store: {path}"
        )
    return StoreError(
        f"The feature store cannot be used: {text}. If it is damaged, delete it (it is rebuilt when needed): transfer store prune "
        f"--set {path.name}. Store: {path}"
    )


def _file_bytes(path: Path) -> int:
    data = path / "data.mdb"
    return data.stat().st_size if data.exists() else 0


if __name__ == "__main__":
    try:
        _read_all_keys(Path(sys.argv[1]))
    except DAMAGE as error:
        print(" ".join(str(error).split()))
        sys.exit(_DAMAGED)
