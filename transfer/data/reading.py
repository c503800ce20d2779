"""Files -> what is known of each: read once, for digest, header and decode test; safe while the files change."""

import errno
import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from transfer.data.decoding.decodable import TOGETHER, DecodeTest
from transfer.data.decoding.examination import ORDER, Header, examine, mislabelled
from transfer.data.scan_memory import Verdict, now_ns

BYTES_TOGETHER = 16_000_000
"""Encoded images that wait for the decode test, at most (but for the last one)."""

_BYTES_PER_PIXEL = 8  # 16-bit RGBA, uncompressed
_METADATA = 64_000_000  # bytes that a file may have beside its pixels
_NOT_REGULAR = "not a regular file"
_VANISHED = "vanished while the folder was read"
_CHANGED = "changed while it was read"
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Read(NamedTuple):
    """One file: its identity (size, mtime_ns, ctime_ns, inode), sides, digest (raw; empty: not read), and what it was found to be.

    `tested`: its pixels were decoded, or need not be; `read_at_ns`: by this machine's clock; 0: not to be remembered.
    """

    identity: tuple[int, int, int, int]
    width: int = 0
    height: int = 0
    digest: bytes = b""
    verdict: Verdict = Verdict()
    tested: bool = True
    read_at_ns: int = 0


def content(file: str, max_megapixels: float) -> tuple[tuple[int, int, int, int], bytes, str]:
    """Return the identity of a file, its bytes, and why it is not fit to be an image (empty: it may be one).

    Nothing is read of what is no regular file, or is larger than an image of so many megapixels can be.

    Raises:
        OSError: where it cannot be read; see `why_unread`.
    """
    # Without waiting: a pipe may have taken the file's place.
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
        return identity_of(before), data, _CHANGED if changed else ""
    finally:
        os.close(handle)


def _unfit(status: os.stat_result, max_megapixels: float) -> str:
    if not stat.S_ISREG(status.st_mode):
        return _NOT_REGULAR
    if status.st_size > _BYTES_PER_PIXEL * max_megapixels * 1e6 + _METADATA:
        return f"too large: {status.st_size / 1e6:.0f} MB is more than an image of {max_megapixels:g} megapixels takes"
    return ""


def why_unread(file: str, error: OSError) -> str:
    """Return the reason for a person why a file could not be read."""
    if isinstance(error, FileNotFoundError):
        return "broken link" if os.path.islink(file) else _VANISHED
    return _NOT_REGULAR if error.errno == errno.ENXIO else f"cannot be read: {error.strerror}"  # a socket


def read_all(root: Path, paths: Sequence[str], max_megapixels: float, test: DecodeTest | None) -> list[Read]:
    """Read files one after the other and return what each is."""
    reader = _Reader(os.fspath(root), max_megapixels, test)
    for path in paths:
        reader.read(path)
    return reader.finish()


class _Reader:
    """Collects images until there are enough for a decode test."""

    def __init__(self, root: str, max_megapixels: float, test: DecodeTest | None) -> None:
        self.root, self.max_megapixels, self.test = root, max_megapixels, test
        self.done: list[Read] = []
        self.waiting: list[tuple[int, bytes, Header]] = []
        self.waiting_bytes = 0

    def read(self, path: str) -> None:
        """Read one file, whatever becomes of it meanwhile."""
        file = f"{self.root}/{path}"
        try:
            self._judge(path, file)
        except OSError as error:
            self.done.append(Read((0, 0, 0, 0), verdict=Verdict(reason=why_unread(file, error))))

    def _judge(self, path: str, file: str) -> None:
        read_at = now_ns()
        identity, data, reason = content(file, self.max_megapixels)
        if reason:
            self.done.append(Read(identity, verdict=Verdict(reason=reason)))
            return
        digest = hashlib.sha256(data)
        header = examine(data, digest.hexdigest(), self.max_megapixels)
        traits = " ".join(header.traits)
        if mislabelled(path, header.format):
            traits = " ".join(word for word in ORDER if word in (*header.traits, "mislabelled"))
        verdict = Verdict(header.format, traits, header.transcoded, header.reason)
        decided = bool(header.reason) or header.transcoded  # Pillow has decoded what it has transcoded
        if self.test and not decided:
            self.waiting.append((len(self.done), data, header))
            self.waiting_bytes += len(data)
        read = Read(identity, header.width, header.height, digest.digest(), verdict, decided or self.test is not None, read_at)
        self.done.append(read)
        if len(self.waiting) >= TOGETHER or self.waiting_bytes >= BYTES_TOGETHER:
            self._decode()

    def _decode(self) -> None:
        if not self.waiting or self.test is None:
            return
        reasons = self.test.reasons([(data, header) for _, data, header in self.waiting])
        for (number, _, _), reason in zip(self.waiting, reasons, strict=True):
            if reason:
                read = self.done[number]
                remembered = read.read_at_ns if reason.startswith("damaged") else 0  # else it may go well another time
                self.done[number] = read._replace(verdict=read.verdict._replace(reason=reason), read_at_ns=remembered)
        self.waiting, self.waiting_bytes = [], 0

    def finish(self) -> list[Read]:
        """Return what every file is, in order."""
        self._decode()
        return self.done


def identity_of(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return what changes when a file is changed: size, both times, inode."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino & 0x7FFFFFFFFFFFFFFF
