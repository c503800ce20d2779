"""The bytes of files by name, wherever they lie; of many objects, several are read ahead."""

import errno
import hashlib
import os
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from transfer.data.storage import archives, byte_cache
from transfer.data.storage.connections import call, code_of, filesystem
from transfer.data.storage.paths import CONNECTIONS, RemotePath, is_remote, parts

CHANGED = "changed while it was read"
"""`strerror` of an object that is not what its name says."""

LARGEST = 1 << 32
"""Bytes of an object that are read at most."""

_AHEAD_BYTES = 1 << 28  # that wait to be consumed, as far as the sizes of those before tell


def read_bytes(name: str | bytes | os.PathLike[str], connections: int = CONNECTIONS, cache_gb: float = 0, most: int = LARGEST) -> bytes:
    """Return the content of a local file or of an object.

    Args:
        name: of the file; for an object whose digest it holds, see `paths`.
        connections: requests at once of this process.
        cache_gb: size of the cache of bytes; 0: none. Only objects whose digest is known are looked for in it.
        most: bytes of an object that are read; more are not an error.

    Raises:
        FileNotFoundError: if there is none.
        OSError: if it cannot be read, or has changed (`CHANGED`).
        DataError: if the storage cannot be used; see `connections.call`.
    """
    if not is_remote(name):
        return Path(os.fsdecode(name)).read_bytes()
    url, digest = parts(name)
    cache = byte_cache.of(cache_gb)
    if cache and digest and (kept := cache.get(digest)) is not None:
        return kept
    data = _fetched(RemotePath(url, connections), most)
    if digest and hashlib.sha256(data).hexdigest() != digest:
        raise OSError(errno.ESTALE, CHANGED, url)
    if cache and len(data) < most:
        cache.put(digest or hashlib.sha256(data).hexdigest(), data)
    return data


def _fetched(path: RemotePath, most: int) -> bytes:
    """Return an object's bytes by one request: without a range, some libraries ask for its size first."""
    if path.in_archive:
        return archives.read(path, most)
    fs = filesystem(path)

    def request() -> bytes:
        try:
            data: bytes = fs.cat_file(str(path), start=0, end=most)
        except Exception as error:
            cause = error.__cause__ or error
            if code_of(cause) in ("InvalidRange", "416") or getattr(cause, "status", 0) == 416:  # an empty object
                return b""
            raise
        return data

    return call(request, path)


def contents(
    names: Iterable[str | bytes], connections: int = CONNECTIONS, cache_gb: float = 0, most: int = LARGEST
) -> Generator[bytes | OSError, None, None]:
    """Yield what `read_bytes` returns for each name, in their order; several are read ahead, `connections` at once.

    By a few files for each connection, and by about `_AHEAD_BYTES`. An `OSError` is yielded in place of the bytes, since other files may
    be read; a `DataError` is raised.
    """
    pending: deque[Future[bytes]] = deque()
    typical = 0.0  # bytes of a file
    pool = ThreadPoolExecutor(connections, "objects")

    def finished() -> bytes | OSError:
        nonlocal typical
        try:
            data = pending.popleft().result()
        except OSError as error:
            return error
        typical = max(0.9 * typical, len(data))
        return data

    try:
        for name in names:
            while pending and (len(pending) >= 2 * connections or (len(pending) + 1) * typical > _AHEAD_BYTES):
                yield finished()
            pending.append(pool.submit(read_bytes, name, connections, cache_gb, most))
        while pending:
            yield finished()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
