"""Files that tell whether they are as they were written, so that what a disk has damaged is never used.

    arrays, images   end with the checksum of all that stands before it; readers of NPZ and PNG do not mind
    JSON             holds the checksum of its content under the key `checksum`
    other files      of a folder are listed with their checksums in a JSON file

A cache takes what fails for missing and makes it again; what cannot be made again is refused, with the file's name.
"""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from transfer.errors import RunError
from transfer.system.checksums import BYTES, checksum, checksum_of_file
from transfer.system.files import replacing, write_bytes, write_text

LIST = "checksums.json"
"""The list of a folder's files."""

_BLOCK = 1 << 20
_KEY = "checksum"
_NONE = ""  # in place of a checksum: the file did not exist


def append_checksum(path: Path) -> None:
    """Append its checksum to a file that is being written; see `is_whole`."""
    found = bytes.fromhex(checksum_of_file(path))
    with path.open("ab") as file:
        file.write(found)


def with_checksum(data: bytes) -> bytes:
    """Return the content of a file that ends with its checksum; see `is_whole`."""
    return data + checksum(data)


def is_whole(path: Path) -> bool:
    """Return whether a file ends with the checksum of what stands before it; false if it cannot be read."""
    running = xxhash.xxh3_64()
    try:
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size - BYTES
            while left > 0 and (block := file.read(min(_BLOCK, left))):
                running.update(block)
                left -= len(block)
            return left == 0 and file.read() == running.digest()
    except OSError:
        return False


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays atomically as an NPZ file that ends with its checksum."""
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        append_checksum(temporary)


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Return what `write_arrays` wrote; None if it is missing, damaged or was written otherwise."""
    if not is_whole(path):
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except Exception:  # NumPy and zipfile raise all kinds of errors for files that are not theirs
        return None


def write_json(path: Path, content: Mapping[str, Any], indent: int | None = None) -> None:
    """Write JSON atomically, with its checksum under the key `checksum`."""
    same: dict[str, Any] = json.loads(json.dumps(dict(content)))  # as it will be read: texts for keys, lists for tuples
    write_text(path, json.dumps(same | {_KEY: _of_json(same)}, indent=indent, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what `write_json` wrote; None if it is missing, damaged or was written otherwise."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.pop(_KEY, None) == _of_json(content) else None


def _of_json(content: dict[str, Any]) -> str:
    return checksum(json.dumps(content, sort_keys=True).encode()).hex()


def write_list(folder: Path, names: Iterable[str], place: str = LIST) -> None:
    """List files of a folder with their checksums.

    Args:
        names: of the files, relative to the folder.
        place: the list's own name, relative to the folder.
    """
    write_json(folder / place, {name: [checksum_of_file(folder / name)] for name in sorted(names)}, indent=1)


def add(folder: Path, name: str, place: str = LIST) -> None:
    """List one more file of a folder that has a list."""
    listed = read_json(folder / place)
    if listed is not None:
        write_json(folder / place, listed | {name: [checksum_of_file(folder / name)]}, indent=1)


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Replace a file of a folder atomically, and its checksum if the folder has a list.

    The list first has the checksum of the old and of the new content, so that one of them fits wherever this is interrupted.
    """
    listed = read_json(folder / LIST)
    if listed is not None:
        before = [_state(folder / name)]
        kept = before if before[0] in listed.get(name, [_NONE]) else []
        write_json(folder / LIST, listed | {name: [*kept, checksum(data).hex()]}, indent=1)
    write_bytes(folder / name, data)


def damaged(folder: Path, names: Iterable[str] | None = None, place: str = LIST) -> list[str]:
    """Return the files of a folder that are not as they were listed; the list itself if it is damaged; nothing if there is no list.

    Args:
        names: the files to look at; those that are not listed are not judged. None: all that are listed.
        place: see `write_list`.
    """
    if not (folder / place).exists():
        return []
    listed = read_json(folder / place)
    if listed is None or not all(isinstance(sums, list) and _is_inside(name) for name, sums in listed.items()):
        return [place]
    chosen = listed if names is None else [name for name in names if name in listed]
    return [name for name in chosen if _state(folder / name) not in listed[name]]


def require_whole(folder: Path, names: Iterable[str] | None, remedy: str, place: str = LIST) -> None:
    """Check files of a folder that cannot be made again.

    Args:
        names, place: see `damaged`.
        remedy: a sentence on what to do.

    Raises:
        RunError: if one is not as it was written.
    """
    for name in damaged(folder, names, place):
        raise RunError(
            f"A file is damaged: it is not as it was written. {remedy} If it was changed on purpose, delete {str(folder / place)!r}, which "
            f"holds the checksums. Received {str(folder / name)!r}."
        )


def _is_inside(name: str) -> bool:
    """Return whether a name of a list, which somebody else may have made, stays in the list's folder."""
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts


def _state(path: Path) -> str:
    with suppress(OSError):
        if path.is_file():  # a list of somebody else could name a device, which never ends
            return checksum_of_file(path)
    return _NONE
