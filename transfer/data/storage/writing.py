"""Results written to object storage: an object appears whole or not at all."""

from pathlib import Path

from transfer.data.storage.connections import call, filesystem
from transfer.data.storage.paths import RemotePath


def write_bytes(path: RemotePath, data: bytes) -> None:
    """Write an object.

    Raises:
        PermissionError, OSError, DataError: see `connections.call`.
    """
    fs = filesystem(path)
    call(lambda: fs.pipe_file(str(path), data), path)


def delete(path: RemotePath) -> None:
    """Delete an object that was written here. Raises: as `write_bytes`."""
    fs = filesystem(path)
    call(lambda: fs.rm_file(str(path)), path)


def write_file(path: RemotePath, file: Path) -> None:
    """Write a local file as an object, in pieces if it is large. Raises: as `write_bytes`."""
    fs = filesystem(path)
    call(lambda: fs.put_file(str(file), str(path)), path)
