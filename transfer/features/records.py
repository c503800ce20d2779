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

_RIGHT_LENGTHS = range(BYTES, MOST_BYTES + 1)
_BLOCK = 128
_BLOCK_BYTES = 1 << 23
_SEED = slice(28, 36)  # of a key: the end of the image's digest, and the beginning of that of its view and output


def seal(name: bytes, content: bytes) -> bytes:
    """Return a record: its content, followed by the checksum."""
    return content + _checksums([name], [content])


def unsealed(name: bytes, record: memoryview | None) -> memoryview | None:
    """Return the content of a record; none if the record is missing or damaged."""
    return record[:-BYTES] if record is not None and _is_sound(name, record) else None


def blocks(transaction: lmdb.Transaction, names: Sequence[bytes], length: int = 0) -> Iterable[tuple[int, list[memoryview | None]]]:
    """Look up records in blocks of at most some megabytes: the position of the first, and the records.

    Args:
        transaction: with `buffers=True`.
        names: keys of the records.
        length: of a record in bytes; 0: as that of the first, which is then a block by itself.
    """
    start, count = 0, _at_once(length) if length else 1
    while start < len(names):
        found = list(map(transaction.get, names[start : start + count]))
        yield start, found
        start += count
        count = _at_once(length or len(found[0] or b""))


def _at_once(length: int) -> int:
    return max(1, min(_BLOCK, _BLOCK_BYTES // (length + 1)))


def examine(transaction: lmdb.Transaction, names: Sequence[bytes]) -> tuple[list[bool], list[bytes]]:
    """Return for each key whether its record is there and is what was sealed, and the keys whose record is there and is not."""
    found: list[bool] = []
    damaged: list[bytes] = []
    for start, block in blocks(transaction, names):
        sound = _sound(names[start : start + len(block)], block)
        found += sound
        if not all(sound):
            rows = zip(names[start : start + len(block)], block, sound, strict=True)
            damaged += [name for name, record, whole in rows if record is not None and not whole]
    return found, damaged


def _sound(names: Sequence[bytes], records: Sequence[memoryview | None]) -> list[bool]:
    found = [record[:-BYTES] for record in records if record is not None and len(record) in _RIGHT_LENGTHS]
    if len(found) == len(records):
        sums = b"".join([record[-BYTES:] for record in records if record is not None])
        if _checksums(names, found) == sums:
            return [True] * len(records)
    return [record is not None and _is_sound(name, record) for name, record in zip(names, records, strict=True)]


def unseal_into(rows: np.ndarray, names: Sequence[bytes], records: Sequence[memoryview | None]) -> bool:
    """Copy the contents of records into an array [n, width] of their dtype; return whether all are there and undamaged."""
    length = rows[0].nbytes + BYTES
    try:
        if sum(map(len, records)) != length * len(records):  # type: ignore[arg-type]
            return False
    except TypeError:  # one is missing
        return False
    table = np.frombuffer(b"".join(records), np.uint8).reshape(len(rows), length)  # type: ignore[arg-type]
    contents = rows.view(np.uint8)
    contents[:] = table[:, :-BYTES]
    return _checksums(names, contents) == table[:, -BYTES:].tobytes()


def _is_sound(name: bytes, record: memoryview) -> bool:
    return len(record) in _RIGHT_LENGTHS and _checksums([name], [record[:-BYTES]]) == record[-BYTES:]


def _checksums(names: Sequence[bytes], contents: Iterable[Any]) -> bytes:
    seeds = np.frombuffer(b"".join(names), np.uint8).reshape(len(names), -1)[:, _SEED].copy().view(np.uint64)
    return b"".join(map(xxhash.xxh3_64_digest, contents, seeds[:, 0].tolist()))
