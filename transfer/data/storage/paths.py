"""Names of objects: a URL in place of a local path.

Files are handed on by name, as bytes: a local path, or a URL. The name of an object whose content is known may end with NUL and its
SHA-256 (`name_with_digest`), which no path contains: whoever reads it then gets these bytes or an error, and may take them from the cache.
"""

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias
from urllib.parse import unquote

from transfer.errors import DataError, nearest

SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hdfs")
"""Object storage that is read; `file://` is a local path."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/(/?)(.*)", re.DOTALL)
_SIGNED = re.compile(r"[?&](x-amz-|x-goog-|sig=|awsaccesskeyid=|signature=)", re.IGNORECASE)
CONNECTIONS = 32
"""Requests at once, unless the configuration says otherwise (`data.connections`)."""


@dataclass(frozen=True)
class RemotePath(os.PathLike[str]):
    """An object, or a folder of objects: a prefix that ends before a `/`.

    Attributes:
        url: with its scheme, without `/` at the end.
        connections: requests at once where many objects are read.
        cache_gb: size of the cache of bytes on the local disk; 0: none.
    """

    url: str
    connections: int = CONNECTIONS
    cache_gb: float = 0

    def __fspath__(self) -> str:
        return self.url

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, path: str | os.PathLike[str]) -> "RemotePath":
        return RemotePath(f"{self.url}/{os.fspath(path)}", self.connections, self.cache_gb)

    @property
    def scheme(self) -> str:
        """Scheme of the URL, such as `s3`."""
        return self.url.partition("://")[0]

    @property
    def in_archive(self) -> bool:
        """Whether it is a member of a local archive, or a folder of members; see `archives`."""
        return self.scheme in ("zip", "tar")

    @property
    def bucket(self) -> str:
        """Bucket (container, host) that the object lies in."""
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def key(self) -> str:
        """Name of the object in its bucket."""
        return self.url.partition("://")[2].partition("/")[2]

    @property
    def name(self) -> str:
        """Last part of the URL."""
        return self.url.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """Ending of the name, with its dot."""
        return Path(self.name).suffix

    @property
    def parent(self) -> "RemotePath":
        """The folder that it lies in; of a bucket, the bucket."""
        above = self.url.rpartition("/")[0]
        return RemotePath(above, self.connections, self.cache_gb) if self.key else self

    def absolute(self) -> "RemotePath":
        """Return this path: a URL has no other form."""
        return self

    def read_bytes(self) -> bytes:
        """Return the object's content, from the storage itself; see `reading.read_bytes` for the errors."""
        from transfer.data.storage.reading import read_bytes

        return read_bytes(self.url)

    def open(self, mode: str = "r", encoding: str | None = None, errors: str | None = None, newline: str | None = None) -> IO[Any]:
        """Open the object for reading, like `Path.open`: all of it is in memory."""
        content = io.BytesIO(self.read_bytes())
        return content if "b" in mode else io.TextIOWrapper(content, encoding, errors, newline)


Root: TypeAlias = Path | RemotePath
"""Where the paths of a dataset start."""


def is_url(name: str | os.PathLike[str]) -> bool:
    """Return whether a user's path is a URL (of object storage, a local file, or of what cannot be read), not a path of the system.

    `s3:/bucket`, to which pathlib shortens `s3://bucket`, is one too.
    """
    found = _URL.match(os.fspath(name))
    return found is not None and (found[2] == "/" or found[1].lower() in (*SCHEMES, "file"))


def is_remote(file: str | bytes | os.PathLike[str]) -> bool:
    """Return whether the name of a file is that of an object: a URL, as `RemotePath` writes it."""
    name = os.fsencode(file) if not isinstance(file, bytes) else file
    return b"://" in name[:9] and not name.startswith(b"/")


def absolute(name: str | os.PathLike[str]) -> str:
    """Return a user's path or URL in the one form that means the same everywhere.

    Raises:
        DataError: for a URL that cannot be read, or that holds credentials.
    """
    text = os.fspath(name)
    return _normal(text) if is_url(text) else os.fspath(Path(text).absolute())


def located(name: str | os.PathLike[str], connections: int = CONNECTIONS, cache_gb: float = 0) -> Root:
    """Return a user's path or URL as a local or a remote path; see `RemotePath` for the arguments.

    Raises:
        DataError: as `absolute`.
    """
    text = os.fspath(name)
    if is_url(text):
        text = _normal(text)
    return RemotePath(text, connections, cache_gb) if is_remote(text) else Path(text)


def _normal(text: str) -> str:
    """Return a URL without `/` at the end and with its scheme in lower case; the path of `file://`."""
    found = _URL.match(text)
    assert found is not None
    scheme, rest = found[1].lower(), found[3]
    if scheme == "file":
        host, _, path = rest.partition("/") if found[2] else ("", "", rest)
        if host not in ("", "localhost"):
            raise DataError(f"file:// names a file of this machine: three slashes, file:///folder. Received {text!r}.")
        return os.fspath(Path("/" + unquote(path)))
    authority, _, key = rest.partition("/")
    hidden = re.sub(r"^[^/]*@", "...@", rest)
    if ":" in authority.rpartition("@")[0] or (_SIGNED.search(rest)):
        hidden = f"{scheme}://{hidden.partition('?')[0]}"
        raise DataError(
            "A URL must not hold credentials: they would be kept in the run. Expected them where the provider's own tools read them "
            f"(environment, configuration files), and a URL without. Received {hidden!r}."
        )
    if scheme in ("http", "https", "ftp"):
        raise DataError(
            "Images are read from a folder, an archive, or object storage: s3://, gs://, az://, hdfs://, file://. Download it first "
            "(curl -LO URL), then give the file: a .zip or .tar is read as it is. "
            f"Received {text!r}."
        )
    if scheme not in SCHEMES:
        near = nearest(scheme, SCHEMES)
        hint = f" Did you mean {near}://?" if near else ""
        raise DataError(
            f"Images are read from a folder or from object storage: s3://, gs://, az://, hdfs://, file://.{hint} Received {text!r}."
        )
    if not authority and scheme != "hdfs":
        raise DataError(f"The URL names no bucket. Expected {scheme}://BUCKET/FOLDER. Received {text!r}.")
    key = key.strip("/")
    return f"{scheme}://{authority}/{key}" if key else f"{scheme}://{authority}"


def name_with_digest(url: bytes, digest: str) -> bytes:
    """Return the name of an object whose content has this SHA-256 (hexadecimal)."""
    return b"%b\0%b" % (url, digest.encode())


def parts(name: str | bytes | os.PathLike[str]) -> tuple[str, str]:
    """Return the URL and the digest of a name; the digest is empty where the name has none."""
    url, _, digest = os.fsdecode(name).partition("\0")
    return url, digest


def shown(name: str | bytes | os.PathLike[str]) -> str:
    """Return the name of a file for people: its path or URL."""
    return parts(name)[0]
