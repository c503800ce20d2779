"""The members of a zip or tar archive: listed once, and refused where the archive must not be read."""

import bz2
import functools
import gzip
import hashlib
import lzma
import os
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

from transfer.errors import DataError
from transfer.system.files import replacing
from transfer.system.home import cache_home

_COMPRESSED: dict[bytes, Callable[[str], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, tarfile.TarError, ValueError, NotImplementedError)
"""What Python raises for archives and members that are not as they should be."""

MOST_MEMBERS = 1_000_000
MOST_EXPANSION, HARMLESS_BYTES = 200, 1 << 30
"""An archive that becomes so many times as large, and larger than this, is a bomb: images hardly shrink any more."""

_CHUNK = 1 << 20
_LINK = "a link in an archive, which is not followed"


class Member(NamedTuple):
    """A member of an archive.

    Attributes:
        size: bytes, as they are unpacked.
        identity: as of `listing.Object`.
        place: where it is found: an entry of a zip, the offset in a tar.
        fault: why it cannot be read.
    """

    size: int
    identity: tuple[int, int, int, int]
    place: "zipfile.ZipInfo | int"
    fault: str = ""


class Archive(NamedTuple):
    """An open archive; its file stays open, and threads may read from it.

    Attributes:
        members: name -> file; a folder that has an entry of its own ends in `/`.
        read: member, most bytes -> the bytes.
    """

    members: dict[str, Member]
    read: Callable[[Member, int], bytes]


def opened(path: str) -> Archive:
    """Open an archive and list it, once for as long as it does not change.

    Raises:
        DataError: if it cannot be read, or must not be: a password, names that lead elsewhere, a bomb, too many members.
    """
    try:
        status = os.stat(path)
        return _opened(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    except (OSError, *DAMAGED) as error:
        if isinstance(error, OSError) and error.errno:  # gzip and bz2 raise some without a number
            raise DataError(f"The archive cannot be read: {error.strerror}. Received {path!r}.") from None
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"The archive is damaged or incomplete: {why.rstrip('.')}. Download it again. Received {path!r}.") from None


@functools.lru_cache(maxsize=4)
def _opened(path: str, size: int, *changed: int) -> Archive:
    return _zip(path, size) if kind(path) == "zip" else _tar(path, size, changed)


def kind(path: str) -> str:
    """Return the scheme of an archive: `zip` or `tar`."""
    return "zip" if path.lower().endswith(".zip") else "tar"


def _zip(path: str, size: int) -> Archive:
    archive = zipfile.ZipFile(path)
    entries = archive.infolist()
    _require_few(path, len(entries))
    if any(entry.flag_bits & 1 for entry in entries):
        raise DataError(f"The archive has a password. Expected one that can be read by itself: unpack it. Received {path!r}.")
    members = {}
    for entry in entries:
        name = entry.filename.replace("\\", "/") if entry.create_system == 0 else entry.filename  # some programs of Windows
        link = (entry.external_attr >> 16) & 0o170000 == 0o120000
        members[_safe(name, path)] = Member(entry.file_size, (entry.file_size, 0, 0, entry.CRC), entry, _LINK if link else "")
    _require_no_bomb(path, sum(entry.file_size for entry in entries), size)

    def read(member: Member, most: int) -> bytes:
        with archive.open(cast(zipfile.ZipInfo, member.place)) as file:
            return file.read(most)

    return Archive(members, read)


def _tar(path: str, size: int, changed: tuple[int, ...]) -> Archive:
    plain = _decompressed(path, size, changed)
    members: dict[str, Member] = {}
    with tarfile.open(plain, "r:") as archive:
        while (entry := archive.next()) is not None:
            name = _safe(entry.name + "/" * entry.isdir(), path)
            fault = "" if entry.isreg() and not entry.issparse() else _LINK if entry.islnk() or entry.issym() else "not a regular file"
            identity = entry.size, int(entry.mtime) * 1_000_000_000, 0, entry.offset_data
            members[name] = Member(entry.size, identity, entry.offset_data, "" if entry.isdir() else fault)
            archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all, a kilobyte each
            _require_few(path, len(members))
    members.pop("", None)
    file = plain.open("rb")  # as long as the archive

    def read(member: Member, most: int) -> bytes:
        wanted = min(member.size, most)
        data = os.pread(file.fileno(), wanted, cast(int, member.place))
        while len(data) < wanted and (more := os.pread(file.fileno(), wanted - len(data), cast(int, member.place) + len(data))):
            data += more
        if len(data) < wanted:
            raise EOFError("it ends too early")
        return data

    return Archive(members, read)


def _decompressed(path: str, size: int, changed: tuple[int, ...]) -> Path:
    """Return the tar itself, or, if it is compressed, its copy in the cache, which is made now if need be."""
    with Path(path).open("rb") as file:
        start = file.read(6)
    reader = next((reader for magic, reader in _COMPRESSED.items() if start.startswith(magic)), None)
    if reader is None:
        return Path(path)
    name = hashlib.sha256(os.fsencode("\0".join([path, *map(str, (size, *changed))]))).hexdigest()[:32]
    copy = _copies() / f"{name}.tar"
    if copy.exists():
        os.utime(copy)  # when it was used last
    else:
        with replacing(copy) as temporary, reader(path) as compressed, temporary.open("wb") as out:
            while chunk := compressed.read(_CHUNK):
                out.write(chunk)
                _require_no_bomb(path, out.tell(), size)
    return copy


def _copies() -> Path:
    return cache_home() / "archives"


def prune(unused_days: float) -> int:
    """Delete the decompressed copies of archives that were unused for this number of days; return their bytes."""
    doomed = [copy for copy in _copies().glob("*.tar") if time.time() - copy.stat().st_mtime >= unused_days * 86400]
    total = sum(copy.stat().st_size for copy in doomed)
    for copy in doomed:
        copy.unlink(missing_ok=True)  # whoever reads it goes on
    return total


def _safe(name: str, path: str) -> str:
    """Return the name of a member, or refuse the archive if the name leads out of the folder in which it would be unpacked."""
    if name.startswith("/") or name[1:3] == ":/" or ".." in name.split("/"):
        raise DataError(
            f"The archive holds a name that leads out of its folder: {name!r}. Nothing of it is read: it was made by mistake, or to do "
            f"harm. Received {path!r}."
        )
    while name.startswith("./"):
        name = name[2:]
    return name


def _require_few(path: str, count: int) -> None:
    if count > MOST_MEMBERS:
        raise DataError(
            f"The archive has more than {MOST_MEMBERS:,} members. Expected fewer: unpack it and give the folder. Received {path!r}."
        )


def _require_no_bomb(path: str, unpacked: int, packed: int) -> None:
    if unpacked > max(HARMLESS_BYTES, MOST_EXPANSION * packed):
        raise DataError(
            f"The archive would be more than {MOST_EXPANSION} times as large unpacked, which images never are: a decompression bomb. "
            f"Received {path!r}."
        )
