"""Atomic writes (to a temporary path in the same folder, then renamed); what killed processes left is cleared up.

Temporary files and folders are locked while they are written. The system drops a lock when its process ends, however it ends: what
is not locked was left by a process that was killed, and is cleared up by the next one that writes in the same folder.
"""

import fcntl
import functools
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from transfer.errors import OutputError
from transfer.system.locks import holding, is_held

_BESIDE = re.compile(r"\.(?P<name>.+)\.(?P<kind>partial|replaced)-(?P<host>.+)-(?P<pid>\d+)", re.DOTALL)
_TEMPORARY = re.compile(r"\..*\.[a-z0-9_]{8}\.partial(\..*)?", re.DOTALL)
_LONGEST_ENDING = 20


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` on success, delete it on failure.

    Raises:
        OSError: if it cannot be written; names `path`, which says whose disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_once(path.parent.absolute())
    temporary, handle = _temporary(path)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp creates a private file, unlike open()
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _temporary(path: Path) -> tuple[Path, int]:
    """Create a locked temporary file for `path`; return it, and the descriptor that holds the lock."""
    ending = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_ENDING else ""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=f".partial{ending}", dir=path.parent)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.lexists(name):
            return Path(name), handle
        os.close(handle)  # cleared up by another process before it was locked


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8. File names that are not valid Unicode keep their bytes."""
    write_bytes(path, text.encode("utf-8", errors="surrogateescape"))


def beside(final: Path, kind: str) -> Path:
    """Return a hidden folder of this process next to `final`; `kind` is `partial` or `replaced`."""
    return final.with_name(f".{final.name}.{kind}-{socket.gethostname()}-{os.getpid()}")


def publish_folder(temporary: Path, final: Path) -> None:
    """Rename a finished folder to its final name; an existing folder is first moved aside, then deleted."""
    aside = beside(final, "replaced")
    if final.exists():
        os.rename(final, aside)
    try:
        os.rename(temporary, final)
    except OSError:
        if aside.exists():
            os.rename(aside, final)
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def publishing(final: Path) -> Iterator[Path]:
    """Yield a hidden folder next to `final` to be filled; publish it on success, delete it on failure or interruption."""
    temporary = beside(final, "partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        with suppress(OSError):  # a file system without locks
            stack.enter_context(holding(temporary))
        yield temporary
        publish_folder(temporary, final)


def require_place(
    place: Path,
    protected: Iterable[Path] = (),
    option: str = "--output",
    replaces: Callable[[Path], bool] | None = None,
    expected: str = "a name that is not taken",
) -> None:
    """Check, before work begins, that a result can be written to a path: the same rule for every command.

    Args:
        place: file or folder that will be published, complete or not at all.
        protected: the user's files and folders: nothing may be written in them, and nothing that holds them may be replaced.
        option: the option of the command line that gives the path, for the error.
        replaces: whether an existing path is an earlier result that may be replaced; none: nothing may exist there.
        expected: what is allowed, for the error.

    Raises:
        OutputError: if it cannot.
    """
    received = f"Received {str(place)!r}."
    # A link at the place itself, and what it leads to: both would be written.
    written = [Path(os.path.realpath(place.parent), place.name), Path(os.path.realpath(place))]
    for own in (Path(os.path.realpath(path)) for path in protected):
        where = "inside" if any(lies_in(path, own) for path in written) else "a folder that holds" if lies_in(own, written[1]) else ""
        if where:
            raise OutputError(f"{option} is {where} {str(own)!r}, where nothing is written. Choose another path. {received}")
    if os.path.lexists(place) and not (replaces and replaces(place)):
        raise OutputError(f"{option} already exists. Expected {expected}. {received}")
    above = next(parent for parent in place.absolute().parents if os.path.lexists(parent))
    if not above.is_dir():
        raise OutputError(f"{option}: its folder cannot be created, because {str(above)!r} is not a folder. {received}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(
            f"{option}: its folder is not writable. Choose another path, or change the permissions of {str(above)!r}. {received}"
        )


@functools.lru_cache(maxsize=4096)
def _clear_once(folder: Path) -> None:
    """Delete the temporary files that killed processes left in a folder, before this process writes its first one there."""
    with suppress(OSError):  # a folder that can be written and not listed
        for name in filter(_TEMPORARY.fullmatch, os.listdir(folder)):
            with suppress(OSError), holding(folder / name):
                (folder / name).unlink()  # while it is locked: whoever has just created it then makes another one


def writer_of(final: Path) -> str:
    """Return the number of the process that is filling a folder of this name (`publishing`) now; empty if none is."""
    with suppress(FileNotFoundError):
        for name in os.listdir(final.parent):
            left = _BESIDE.fullmatch(name)
            if left and left["kind"] == "partial" and left["name"] == final.name and is_held(final.parent / name):
                return left["pid"]
    return ""


def lies_in(path: Path, folder: Path) -> bool:
    """Return whether a path is a folder or a file, or lies in the folder; both are absolute and without links.

    What exists is compared as the file system does it: names may differ in case only, or lead there by another mount.
    """
    if path == folder:
        return True
    if folder.is_file():
        return _identity(path) == _identity(folder)
    found = _identity(folder)
    return path.is_relative_to(folder) or (found is not None and found in map(_identity, (path, *path.parents)))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return facts.st_dev, facts.st_ino


def clear_up(folder: Path) -> None:
    """Clean up after processes of this machine that were killed (kill -9).

    Partial folders are deleted; a folder that was moved aside, and never replaced, is restored.
    """
    _clear_once(folder.absolute())
    for path in list(folder.iterdir()):
        left = _BESIDE.fullmatch(path.name)
        if left is None or left["host"] != socket.gethostname() or _alive(int(left["pid"])) or is_held(path):  # by another container
            continue
        if left["kind"] == "replaced" and not os.path.lexists(folder / left["name"]):
            with suppress(OSError):  # another process has just done it
                os.rename(path, folder / left["name"])
        else:
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
