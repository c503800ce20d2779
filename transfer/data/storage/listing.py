"""The objects of a folder in pages, with what changes when an object does."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from transfer.data.storage import archives
from transfer.data.storage.connections import FEW_PAUSES, call, filesystem, package
from transfer.data.storage.paths import RemotePath

_PAGE = 1000  # keys in one answer: the most that S3 gives
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")
_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "md5")


class Object(NamedTuple):
    """An object of a folder; `path` is relative to the folder, and ends in `/` for a folder that exists as an object.

    `identity`: size, mtime_ns, mtime_ns, and 63 bits of a hash of its ETag (0: it has none): what changes when it changes.
    """

    path: str
    identity: tuple[int, int, int, int]


def below(folder: RemotePath, first: bool = False) -> Iterator[Object]:
    """Yield the objects below a folder, however deep; `first`: only the first page, with few tries.

    Raises:
        PermissionError: if it may not be listed.
        DataError, OSError: see `connections.call`.
    """
    if folder.in_archive:
        yield from (Object(*one) for one in archives.below(folder))
    else:
        yield from _keys(folder, "", first) if package(folder) == "s3fs" else _walked(folder, first)


def beside(folder: RemotePath) -> Iterator[Object]:
    """Yield the objects that lie directly in a folder, and its folders (`path` with `/` at the end). Raises: as `below`."""
    yield from _keys(folder, "/", False) if package(folder) == "s3fs" else _listed(folder, False)


def identity_of(path: RemotePath) -> tuple[int, int, int, int]:
    """Return the identity of one object (`Object`), by a request of its own.

    Raises:
        FileNotFoundError, PermissionError, DataError, OSError: see `connections.call`.
    """
    if path.in_archive:
        return archives.identity_of(path)
    fs = filesystem(path)
    facts: Mapping[str, Any] = call(lambda: fs.info(str(path)), path)
    if facts.get("type") == "directory":
        raise FileNotFoundError(2, "it is a folder", str(path))
    return _identity(facts)


def _keys(folder: RemotePath, delimiter: str, first: bool) -> Iterator[Object]:
    """Yield the objects of S3: one request for each thousand keys, whatever folders they lie in."""
    fs = filesystem(folder)
    start = f"{folder.key}/" if folder.key else ""
    wanted: dict[str, Any] = {"Bucket": folder.bucket, "Prefix": start, "MaxKeys": _PAGE}
    if delimiter:
        wanted["Delimiter"] = delimiter
    while True:
        page = call(partial(fs.call_s3, "list_objects_v2", **wanted), folder, FEW_PAUSES if first else ())
        for one in page.get("CommonPrefixes", ()):
            yield Object(one["Prefix"][len(start) :], (0, 0, 0, 0))
        for one in page.get("Contents", ()):
            if one["Key"] != start:
                yield Object(one["Key"][len(start) :], _identity(one | {"size": one["Size"]}))
        if first or not page.get("IsTruncated"):
            return
        wanted["ContinuationToken"] = page["NextContinuationToken"]


def _walked(folder: RemotePath, first: bool) -> Iterator[Object]:
    waiting = [""]
    while waiting:
        start = waiting.pop()
        for one in _listed(folder / start.rstrip("/") if start else folder, first):
            path = start + one.path
            if path.endswith("/"):
                waiting.append(path)
            else:
                yield Object(path, one.identity)


def _listed(folder: RemotePath, first: bool) -> Iterator[Object]:
    """Yield what lies directly in a folder of any kind of storage; nothing if there is no such folder."""
    fs = filesystem(folder)
    own = fs._strip_protocol(str(folder)).rstrip("/") + "/"
    try:
        found = call(lambda: fs.ls(str(folder), detail=True), folder, FEW_PAUSES if first else ())
    except FileNotFoundError:
        return
    for facts in found:
        name = facts["name"].removeprefix(own).strip("/")
        if name and f"{facts['name'].rstrip('/')}/" != own:
            yield Object(name + "/" * (facts.get("type") == "directory"), _identity(facts))


def _identity(facts: Mapping[str, Any]) -> tuple[int, int, int, int]:
    changed = next((_nanoseconds(facts[name]) for name in _TIMES if facts.get(name) is not None), 0)
    tag = next((str(facts[name]) for name in _TAGS if facts.get(name)), "")
    number = int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8], "big") >> 1 if tag else 0
    if tag:  # some answers hold only whole seconds
        changed -= changed % 1_000_000_000
    return int(facts.get("size") or 0), changed, changed, number


def _nanoseconds(value: Any) -> int:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=UTC)
        return int(value.timestamp()) * 1_000_000_000 + value.microsecond * 1000
    return int(value * 1_000_000_000)
