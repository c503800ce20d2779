"""Homes: a user without a usable one (a container's) gets a private folder below the system's temporary one.

A home is usable if it is a folder in which the cache can be made. The temporary folder belongs to all users, so a folder in it is
taken only if it is this user's own and closed to others; whatever somebody else has put there is passed by.
"""

import functools
import os
import stat
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from transfer.errors import StoreError
from transfer.system.files import lies_in

_CACHE = Path(".cache", "transfer")
_REMEDY = "Set TRANSFER_HOME to a folder that you can write."
_TRIES = 100


def cache_home() -> Path:
    """Return the user's cache folder: `$TRANSFER_HOME`, by default `~/.cache/transfer`. Read at each call, never at import.

    It holds pretrained weights, stored features, transcoded images and measurements. Everything in it can be deleted at any
    time and is recreated when needed. Without a usable home it is in a private folder below the temporary one.

    Raises:
        StoreError: if it cannot be written.
    """
    chosen = os.environ.get("TRANSFER_HOME")
    if not chosen:
        return (_usable() or _private()) / _CACHE
    try:
        folder = Path(chosen).expanduser().absolute()
    except RuntimeError:
        raise StoreError(
            f"TRANSFER_HOME begins with ~, but there is no home folder. {_REMEDY} Received TRANSFER_HOME={chosen!r}."
        ) from None
    problem = _problem(folder)
    if problem:
        raise StoreError(f"The cache folder cannot be written: {problem}. {_REMEDY} Received TRANSFER_HOME={chosen!r}.")
    return folder


def require_outside(protected: Iterable[Path]) -> None:
    """Check that the cache is not in one of these folders, in which nothing is written.

    Raises:
        StoreError: if it is, or if it cannot be written.
    """
    cache = Path(os.path.realpath(cache_home()))
    for own in protected:
        if lies_in(cache, Path(os.path.realpath(own))):
            raise StoreError(f"The cache folder is inside {str(own)!r}, where nothing is written. {_REMEDY} Received {str(cache)!r}.")


def lead_libraries() -> None:
    """Without a usable home, let libraries keep their caches and settings beside ours, unless their own variables say where.

    To be called before they are imported. Where there is no home at all, not even one that is read, `HOME` is set as well.
    """
    home = _home()
    if _usable() is not None:
        return
    try:
        cache = cache_home()
    except StoreError:
        return  # who needs the cache will hear of it; a server does not
    own = {"MPLCONFIGDIR": "matplotlib", "KERAS_HOME": "keras", "XDG_CACHE_HOME": "xdg"}
    if home is None or not (home / "tensorflow_datasets").is_dir():
        own["TFDS_DATA_DIR"] = "tensorflow_datasets"
    for variable, name in own.items():
        if not os.environ.get(variable):
            (cache / "libraries" / name).mkdir(parents=True, exist_ok=True)
            os.environ[variable] = str(cache / "libraries" / name)
    if home is None:
        os.environ["HOME"] = str(cache if os.environ.get("TRANSFER_HOME") else _private())  # where the cache is that of this home


def _home() -> Path | None:
    try:
        return Path.home().absolute()
    except RuntimeError:  # no HOME, and no entry in the list of users
        return None


def _usable() -> Path | None:
    """Return the home folder if the cache can be made in it."""
    home = _home()
    return home if home is not None and home.is_dir() and not _problem(home / _CACHE) else None


def _problem(folder: Path) -> str:
    """Return why a folder cannot be written, or made; empty if it can."""
    for place in (folder, *folder.parents):
        if os.path.lexists(place):
            break
    if not place.is_dir():
        return f"{str(place)!r} is not a folder"
    return "" if os.access(place, os.W_OK | os.X_OK) else f"{str(place)!r} is not writable"


def _private() -> Path:
    """Return the folder of this user below the temporary one, made if it is not there, and tell once where it is.

    Raises:
        StoreError: if there is none, and none can be made.
    """
    try:
        base = Path(tempfile.gettempdir()).absolute()
    except FileNotFoundError:
        base = Path.cwd()
    if base == Path.cwd() and not os.environ.get("TMPDIR"):  # Python's last resort, which may be the user's data
        raise StoreError(f"There is no usable home folder, and no temporary folder that can be written. {_REMEDY} Received neither.")
    for number in range(_TRIES):
        folder = base / (f"transfer-{os.getuid()}" + (f"-{number}" if number else ""))
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            pass
        except OSError as error:
            raise StoreError(f"There is no usable home folder, and {str(base)!r} cannot be written: {error.strerror}. {_REMEDY}") from None
        if _is_private(folder):
            _tell(folder)
            return folder
    raise StoreError(f"There is no usable home folder, and those in {str(base)!r} belong to others. {_REMEDY} Received {str(folder)!r}.")


def _is_private(folder: Path) -> bool:
    """Return whether a path is a folder itself (no link to one), this user's own, and closed to all others."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077


@functools.cache
def _tell(folder: Path) -> None:
    text = f"There is no usable home folder: the cache is in {folder}, where it may be deleted. Set TRANSFER_HOME to keep it elsewhere."
    print(text, file=sys.stderr)
