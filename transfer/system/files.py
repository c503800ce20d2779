"""Files that appear whole or not at all, written beside their place and renamed; locks between processes; the cache folder."""

import fcntl
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from transfer.errors import OutputError

_BESIDE = re.compile(r"\.(?P<name>.+)\.(?P<kind>partial|replaced)-(?P<host>.+)-(?P<pid>\d+)", re.DOTALL)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, delete it on any failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=f".partial{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes it private; a plain open() would not
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all. File names that are no Unicode keep their bytes."""
    write_bytes(path, text.encode("utf-8", errors="surrogateescape"))


def beside(final: Path, kind: str) -> Path:
    """Return the hidden folder of this process beside `final`: a `partial` one, or a `replaced` one."""
    return final.with_name(f".{final.name}.{kind}-{socket.gethostname()}-{os.getpid()}")


def publish_folder(temporary: Path, final: Path) -> None:
    """Rename a finished folder to its final name; a folder that was there is moved aside first and deleted after."""
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
    """Yield a hidden folder beside `final` to fill; publish it on success, delete it on any failure or interruption."""
    temporary = beside(final, "partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        publish_folder(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_place(
    place: Path,
    protected: Iterable[Path] = (),
    option: str = "--output",
    replaces: Callable[[Path], bool] | None = None,
    expected: str = "a name that is not taken",
) -> None:
    """Check, before the work begins, that a result can be put at a place: the one rule for every command.

    Args:
        place: file or folder that will be published there, whole or not at all.
        protected: what belongs to the user: files and folders in which nothing is written.
        option: how the command line calls the place.
        replaces: whether what is there already is an earlier result that may be replaced; none: nothing may be there.
        expected: what may be there, for the error.

    Raises:
        OutputError: where it cannot.
    """
    received = f"Received {str(place)!r}."
    final = place.parent.resolve() / place.name
    for own in (path.resolve() for path in protected):
        if any(path == own or (own.is_dir() and path.is_relative_to(own)) for path in (final, final.resolve())):
            raise OutputError(f"{option} lies in {str(own)!r}, where nothing is written. Choose another place. {received}")
    if os.path.lexists(place) and not (replaces and replaces(place)):
        raise OutputError(f"{option}: something is there already. Expected {expected}. {received}")
    above = next(parent for parent in place.absolute().parents if os.path.lexists(parent))
    if not above.is_dir():
        raise OutputError(f"{option}: its folder cannot be made, since {str(above)!r} is not a folder. {received}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(
            f"{option}: its folder cannot be written. Choose another place, or change the permissions of {str(above)!r}. {received}"
        )


def clear_up(folder: Path) -> None:
    """Clear up after processes of this machine that no longer live (killed with -9).

    Their partial folders are deleted; a folder that was moved aside, and whose successor never came, is put back.
    """
    for path in list(folder.iterdir()):
        left = _BESIDE.fullmatch(path.name)
        if left is None or left["host"] != socket.gethostname() or _alive(int(left["pid"])):
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


def taken_by_another(file: IO[str]) -> str:
    """Lock a file that is open in mode `a+` until it is closed, and write the number of this process into it.

    Returns:
        Empty: it is locked now. Else which process has it: `number 123`, or `unknown number`.
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


def cache_home() -> Path:
    """Return the user's cache folder: `$TRANSFER_HOME`, by default `~/.cache/transfer`. Read at each call, never at import.

    It holds pretrained weights, stored features, transcoded images and measured choices. Everything in it can be deleted at any
    time; it is made again when it is needed.
    """
    chosen = os.environ.get("TRANSFER_HOME")
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".cache" / "transfer"
