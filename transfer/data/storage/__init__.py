"""Images in object storage (`s3://`, `gs://`, `az://`, `hdfs://`, by fsspec) and in archives. A bucket is only read.

A folder of a bucket is a `RemotePath` where a local one is a `Path`; both are a `Root`. Whoever reads a user's file calls `read_bytes`.
"""

from transfer.data.storage.listing import Object, below, beside, identity_of
from transfer.data.storage.paths import (
    CONNECTIONS,
    RemotePath,
    Root,
    absolute,
    is_remote,
    is_url,
    located,
    name_with_digest,
    shown,
)
from transfer.data.storage.reading import CHANGED, contents, read_bytes
from transfer.data.storage.writing import delete, write_bytes, write_file

__all__ = [
    "CHANGED", "CONNECTIONS", "Object", "RemotePath", "Root", "absolute", "below", "beside", "contents", "delete", "identity_of",
    "is_remote", "is_url", "located", "name_with_digest", "read_bytes", "shown", "write_bytes", "write_file",
]  # fmt: skip
