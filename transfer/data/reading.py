"""Files -> what is known of each: read once for digest, header and decode test; safe if the files change meanwhile."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

from transfer.data.decoding.decodable import TOGETHER, DecodeTest
from transfer.data.decoding.examination import examine, mislabelled
from transfer.data.decoding.headers import Header
from transfer.data.scan_memory import Verdict, now_ns
from transfer.data.storage import CHANGED, RemotePath, Root, contents, is_remote, read_bytes

BYTES_TOGETHER = 16_000_000
"""Bytes of encoded images that wait for the decode test; the last one may exceed it."""

_BYTES_PER_PIXEL = 8  # 16-bit RGBA, uncompressed
_METADATA = 64_000_000  # bytes that a file may have besides its pixels
_NOT_REGULAR = "not a regular file"
_VANISHED = "vanished while the folder was read"
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Read(NamedTuple):
    """What reading a file gave.

    Attributes:
        identity: size, mtime_ns, ctime_ns, inode.
        width, height: pixels.
        digest: SHA-256, raw; empty if the file was not read.
        verdict: what the file is.
        tested: its pixels were decoded, or need not be.
        read_at_ns: time by this machine's clock; 0: not to be remembered.
    """

    identity: tuple[int, int, int, int]
    width: int = 0
    height: int = 0
    digest: bytes = b""
    verdict: Verdict = Verdict()
    tested: bool = True
    read_at_ns: int = 0


def content(file: str, max_megapixels: float) -> tuple[tuple[int, int, int, int], bytes, str]:
    """Return the identity of a file, its bytes, and why it cannot be an image (empty: it may be one).

    Only regular files are read, and only those not larger than an image of so many megapixels can be. Of an object only the size is
    known: it is fetched by one request.

    Raises:
        OSError: if it cannot be read; see `why_unread`.
        DataError: if the storage cannot be used.
    """
    if is_remote(file):
        data = read_bytes(file, most=most_bytes(max_megapixels) + 1)
        return (len(data), 0, 0, 0), data, too_large(len(data), max_megapixels)
    # Without waiting: a pipe may have replaced the file.
    handle = os.open(file, _FLAGS)
    try:
        before = os.fstat(handle)
        reason = _unfit(before, max_megapixels)
        if reason:
            return identity_of(before), b"", reason
        data = os.read(handle, before.st_size)
        while len(data) < before.st_size and (more := os.read(handle, before.st_size - len(data))):
            data += more
        changed = identity_of(before) != identity_of(os.fstat(handle)) or len(data) != before.st_size
        return identity_of(before), data, CHANGED if changed else ""
    finally:
        os.close(handle)


def _unfit(status: os.stat_result, max_megapixels: float) -> str:
    if not stat.S_ISREG(status.st_mode):
        return _NOT_REGULAR
    return too_large(status.st_size, max_megapixels)


def most_bytes(max_megapixels: float) -> int:
    """Return the most bytes that an image of so many megapixels takes."""
    return int(_BYTES_PER_PIXEL * max_megapixels * 1e6 + _METADATA)


def too_large(size: int, max_megapixels: float) -> str:
    """Return why a file of so many bytes cannot be an image; empty if it may be one."""
    if size > most_bytes(max_megapixels):
        return f"too large: {size / 1e6:.0f} MB is more than an image of {max_megapixels:g} megapixels takes"
    return ""


def why_unread(file: str, error: OSError) -> str:
    """Return the reason why a file could not be read."""
    if isinstance(error, FileNotFoundError):
        return "broken link" if not is_remote(file) and os.path.islink(file) else _VANISHED
    if error.strerror == CHANGED:
        return CHANGED
    return _NOT_REGULAR if error.errno == errno.ENXIO else f"cannot be read: {error.strerror}"  # a socket


def read_all(root: Root, paths: Sequence[str], max_megapixels: float, test: DecodeTest | None) -> list[Read]:
    """Read files one by one, whatever happens to them meanwhile, and return what each is; objects with many connections.

    Raises:
        DataError: if object storage cannot be used.
    """
    files = [f"{root}/{path}" for path in paths]
    done: list[Read] = []
    waiting: dict[int, tuple[bytes, Header]] = {}  # images for the decode test, by their place in `done`
    waiting_bytes = 0
    for file, found in zip(files, _contents(root, files, max_megapixels), strict=True):
        try:
            read, data, header = _read(file, found, max_megapixels)
        except OSError as error:
            read, data, header = Read((0, 0, 0, 0), verdict=Verdict(reason=why_unread(file, error))), b"", Header()
        if test and not read.tested:
            waiting[len(done)] = data, header
            waiting_bytes += len(data)
        done.append(read)
        if test and (len(waiting) >= TOGETHER or waiting_bytes >= BYTES_TOGETHER):
            _decode(waiting, done, test)
            waiting_bytes = 0
    if test and waiting:
        _decode(waiting, done, test)
    return done


def _contents(root: Root, files: Sequence[str], max_megapixels: float) -> Iterator[bytes | OSError | None]:
    """Yield the bytes of objects; None for local files, which are read when they are examined."""
    if isinstance(root, RemotePath):
        return contents(files, root.connections, root.cache_gb, most_bytes(max_megapixels) + 1)
    return repeat(None, len(files))


def _read(file: str, fetched: bytes | OSError | None, max_megapixels: float) -> tuple[Read, bytes, Header]:
    read_at = now_ns()
    if isinstance(fetched, OSError):
        raise fetched
    if fetched is None:
        identity, data, reason = content(file, max_megapixels)
    else:
        identity, data, reason = (len(fetched), 0, 0, 0), fetched, too_large(len(fetched), max_megapixels)
    if reason:
        return Read(identity, verdict=Verdict(reason=reason)), b"", Header()
    digest = hashlib.sha256(data)
    header = examine(data, digest.hexdigest(), max_megapixels)
    traits = (*header.traits, "mislabelled") if mislabelled(file, header.format) else header.traits
    verdict = Verdict(header.format, " ".join(traits), header.transcoded, header.reason)
    decided = bool(header.reason) or header.transcoded  # Pillow decoded what it transcoded
    return Read(identity, header.width, header.height, digest.digest(), verdict, decided, read_at), data, header


def _decode(waiting: dict[int, tuple[bytes, Header]], done: list[Read], test: DecodeTest) -> None:
    """Decode the waiting images and put the results in `done`; none waits any longer."""
    for number, reason in zip(waiting, test.reasons(list(waiting.values())), strict=True):
        read = done[number]._replace(tested=True)
        if reason:
            remembered = read.read_at_ns if reason.startswith("damaged") else 0  # other failures may pass
            read = read._replace(verdict=read.verdict._replace(reason=reason), read_at_ns=remembered)
        done[number] = read
    waiting.clear()


def identity_of(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return what changes when a file changes: size, both times, inode."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino & 0x7FFFFFFFFFFFFFFF
