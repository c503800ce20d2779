"""Bytes of objects on the local disk, by their SHA-256: read twice (scan, then features), an object is fetched once.

A file is checked against its name when it is read, so damage is only a miss. The cache is bounded: each of its 16 folders takes a
sixteenth. Where one is full, the oldest files go, but none that was written within the hour: an hour is about the time after which images
that are read in turn come again, and if newer ones drove them out, none would ever be found. So what does not fit is not kept.

Several processes may share it: each lists a folder again after it has written a twentieth of its part, and files appear by renaming.
"""

import functools
import hashlib
import os
import tempfile
import threading
import time
from pathlib import Path

from transfer.system.home import cache_home

_FOLDERS = 16
_FULL, _LEFT, _UNSEEN = 0.9, 0.8, 0.05  # of a folder's part: when files go, what stays, what is written between two looks
_SETTLED = 3600.0  # seconds in which a file stays


class ByteCache:
    """The cache in one folder; safe for threads.

    Args:
        folder: where the files are.
        most: bytes of all files.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._part = folder, most // _FOLDERS
        self._locks = [threading.Lock() for _ in range(_FOLDERS)]
        self._found = [-1] * _FOLDERS  # bytes in each folder when it was last listed; -1: not yet
        self._written = [0] * _FOLDERS  # bytes written to each since then

    def get(self, digest: str) -> bytes | None:
        """Return the bytes with this SHA-256, or None."""
        file = self._file(digest)
        try:
            data = file.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() == digest:
            return data
        file.unlink(missing_ok=True)
        return None

    def put(self, digest: str, data: bytes) -> None:
        """Keep these bytes if there is room; a disk that is full is no error."""
        number = int(digest[0], 16)
        try:
            with self._locks[number]:
                if not self._has_room(number, len(data)):
                    return
                self._written[number] += len(data)
            file = self._file(digest)
            if not file.exists():
                handle, name = tempfile.mkstemp(prefix=".", suffix=".partial", dir=file.parent)
                with os.fdopen(handle, "wb") as opened:
                    opened.write(data)
                os.replace(name, file)
        except OSError:
            pass

    def _file(self, digest: str) -> Path:
        return self._folder / digest[0] / digest

    def _has_room(self, number: int, more: int) -> bool:
        unseen = self._written[number] + more
        if self._found[number] < 0 or unseen > _UNSEEN * self._part or self._found[number] + unseen > _FULL * self._part:
            self._found[number], self._written[number] = self._cleared(number, more), 0
        return self._found[number] + self._written[number] + more <= _FULL * self._part

    def _cleared(self, number: int, more: int) -> int:
        """Return the bytes in a folder, after the oldest files have gone if it is full."""
        folder = self._folder / f"{number:x}"
        folder.mkdir(parents=True, exist_ok=True)
        with os.scandir(folder) as entries:
            facts = [(entry.stat(), entry.path) for entry in entries]
        files = sorted((one.st_mtime, one.st_size, path) for one, path in facts)
        total = sum(size for _, size, _ in files)
        settled = time.time() - _SETTLED
        target = _LEFT * self._part if total + more > _FULL * self._part else total
        for changed, size, path in files:
            if changed > settled or (total <= target and not path.endswith(".partial")):
                if changed > settled:
                    break
                continue
            Path(path).unlink(missing_ok=True)
            total -= size
        return total


def of(cache_gb: float) -> ByteCache | None:
    """Return the user's cache with this size; None for 0."""
    return _of(cache_home() / "objects", int(cache_gb * 1e9)) if cache_gb > 0 else None


_of = functools.cache(ByteCache)
