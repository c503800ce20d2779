"""Records of the feature store: the content of one array, sealed with a checksum, so that a damaged one is never used.

The checksum is XXH3 of 64 bits. It depends on the key as well: a damaged tree of pages cannot pass off the features of one image as
those of another.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import lmdb
import numpy as np
import xxhash

from transfer.system.checksums import BYTES

MOST_BYTES = 1 << 26
"""No record is longer. A length above it is damage, and is not read."""

_BLOCK = 256
_BLOCK_BYTES = 1 << 22
_SEED = slice(28, 36)  # of a key: the end of the image's digest, and the beginning of that of its view and output


def seal(name: bytes, content: bytes) -> bytes:
    """Return a record: its content, followed by the checksum."""
    return content + _checksums([name], [content])


def unsealed(name: bytes, record: memoryview | None) -> memoryview | None:
    """Return the content of a record; none if the record is missing or damaged."""
    return record[:-BYTES] if record is not None and not damaged([name], [record]) else None


def damaged(names: Sequence[bytes], records: Iterable[memoryview | None]) -> list[bytes]:
    """Return the keys whose record is there, and is not what was sealed."""
    found = [(name, record) for name, record in zip(names, records, strict=True) if record is not None]
    return [
        name for name, record in found if not BYTES <= len(record) <= MOST_BYTES or _checksums([name], [record[:-BYTES]]) != record[-BYTES:]
    ]


def blocks(transaction: lmdb.Transaction, names: Sequence[bytes]) -> Iterable[tuple[int, list[memoryview | None]]]:
    """Look up records in blocks of some megabytes, which is faster than one by one: the position of the first, and the records."""
    start, count = 0, 1  # the first record tells how many make a block
    while start < len(names):
        wanted = names[start : start + count]
        pairs = transaction.cursor().getmulti(wanted)
        found = [record for _, record in pairs] if len(pairs) == len(wanted) else [transaction.get(name) for name in wanted]
        yield start, found
        start += len(wanted)
        longest = max((len(record) for record in found if record is not None), default=0)
        count = max(1, min(_BLOCK, _BLOCK_BYTES // (longest + 1)))


def unseal_into(rows: np.ndarray, names: Sequence[bytes], records: Sequence[memoryview | None]) -> bool:
    """Copy the contents of records into an array [n, width] of their dtype; return whether all are there and undamaged."""
    length = rows[0].nbytes + BYTES
    if any(record is None or len(record) != length for record in records):
        return False
    table = np.frombuffer(b"".join(records), np.uint8).reshape(len(rows), length)  # type: ignore[arg-type]
    contents = rows.view(np.uint8)
    contents[:] = table[:, :-BYTES]
    return _checksums(names, contents) == table[:, -BYTES:].tobytes()


def _checksums(names: Sequence[bytes], contents: Iterable[Any]) -> bytes:
    seeds = (int.from_bytes(name[_SEED], "little") for name in names)
    return b"".join(map(xxhash.xxh3_64_digest, contents, seeds))
