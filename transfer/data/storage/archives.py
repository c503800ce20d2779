"""Zip and tar archives, read where they lie: a member is an object, as in a bucket, under the URL `zip:///folder/images.zip!/cats/1.jpg`.

Nothing is unpacked, so the names in an archive lead nowhere; those that would be dangerous elsewhere are refused all the same. A compressed
tar cannot be read at any place but its beginning: it is decompressed, once, to a tar in the cache.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from transfer.data.storage.archive_members import DAMAGED, Archive, Member, kind, opened
from transfer.data.storage.paths import RemotePath

_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz")
_THREADS = 4  # that read members: more wait for the same file


def is_archive(name: str | os.PathLike[str]) -> bool:
    """Return whether this is a local file with the name of a zip or tar archive."""
    return os.fspath(name).lower().endswith(_SUFFIXES) and Path(name).is_file()


def stem(name: str) -> str:
    """Return the name of an archive without its ending; any other name as it is."""
    ending = max((ending for ending in _SUFFIXES if name.lower().endswith(ending)), key=len, default="")
    return name[: len(name) - len(ending)]


def root_of(name: str | os.PathLike[str]) -> RemotePath:
    """Return where the classes of an archive begin: below the folders that hold all of it, as `flower_photos/` in `flower_photos.tgz`.

    Raises:
        DataError: if it cannot be read, or must not be.
    """
    path = os.fspath(Path(name).absolute())
    start, files = "", [one for one in opened(path).members if not one.endswith("/") and not one.startswith("__MACOSX/")]
    while True:
        below = [file[len(start) :].split("/") for file in files]
        tops = {parts[0] for parts in below}
        if len(tops) != 1 or any(len(parts) < 3 for parts in below if not parts[-1].startswith(".")) or "" in tops:
            break
        start += tops.pop() + "/"
    return RemotePath(f"{kind(path)}://{path}!/{start}".rstrip("/"), _THREADS)


def split(url: RemotePath) -> tuple[str, str]:
    """Return the archive's path, and the name of a member or the beginning of names."""
    path, _, name = url.url.partition("://")[2].partition("!/")
    return path.removesuffix("!"), name


def below(folder: RemotePath) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """Yield name and identity of the members below a folder of an archive."""
    path, name = split(folder)
    start = f"{name}/" if name else ""
    for one, member in opened(path).members.items():
        if one.startswith(start) and one != start:
            yield one[len(start) :], member.identity


def identity_of(url: RemotePath) -> tuple[int, int, int, int]:
    """Return the identity of a member. Raises FileNotFoundError if there is none."""
    return _member(url)[1].identity


def read(url: RemotePath, most: int) -> bytes:
    """Return at most so many bytes of a member.

    Raises:
        FileNotFoundError: if there is none.
        OSError: if it is damaged, a link, or compressed by a method that Python does not know.
    """
    archive, member = _member(url)
    if member.fault:
        raise OSError(errno.ELOOP, member.fault, url.url)
    try:
        return archive.read(member, most)
    except DAMAGED as error:
        why = "compressed by a method that is not read" if isinstance(error, NotImplementedError) else "damaged in its archive"
        raise OSError(errno.EIO, why, url.url) from None


def _member(url: RemotePath) -> tuple[Archive, Member]:
    path, name = split(url)
    archive = opened(path)
    if name not in archive.members:
        raise FileNotFoundError(errno.ENOENT, "no such member of the archive", url.url)
    return archive, archive.members[name]
