"""Which files are meant by paths, and what tells that they are still the same."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from transfer.errors import DataError


def expand(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return `listed` as paths."""
    return [Path(file) for file in listed(paths)]


def listed(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the files of all paths; of folders, all files below that are not hidden, in order.

    Raises:
        DataError: where a path does not exist or there is no file at all.
    """
    files: list[str] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files += _below(str(path))
        elif path.exists():
            files.append(str(path))
        else:
            raise DataError(f"There is no such image or folder. Received {str(given)!r}.")
    if not files:
        raise DataError("No file was found. Expected images, or folders of images.")
    return files


def _below(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        place = "" if parent == os.curdir else parent.removeprefix("./")
        yield from (os.path.join(place, name) for name in sorted(names) if not name.startswith("."))  # noqa: PTH118 - many paths


def digest(files: Sequence[str]) -> str:
    """Return a digest of names, sizes and times: the same for as long as no file was changed, added or removed."""
    found = hashlib.sha256()
    for file in files:
        try:
            status = os.stat(file)
            state = f"{status.st_size} {status.st_mtime_ns}"
        except OSError as error:
            state = f"error {error.errno}"
        found.update(b"%d " % len(name := os.fsencode(file)) + name + state.encode() + b"\n")
    return found.hexdigest()


def together(digests: Sequence[str]) -> str:
    """Return one digest of several."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
