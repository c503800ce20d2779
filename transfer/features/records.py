"""Records of the feature store: the content of one array, sealed with a checksum, so that a damaged one is never used.

The checksum is XXH3 of 64 bits. It depends on the key as well: a damaged tree of pages cannot pass off the features of one image as
those of another.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, TypeAlias

import lmdb
import numpy as np
import xxhash

from transfer.features.pages import AROUND
from transfer.system.checksums import BYTES

MOST_BYTES = 1 << 26
"""No record is longer. A length above it is damage, and is not read."""

Block: TypeAlias = tuple[int, Sequence[bytes], list[memoryview | None]]
"""Records that were looked up: the position of the first, their keys, and what was found."""

Blocks: TypeAlias = Generator[Block, None, None]

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


def blocks(begin: Callable[[], lmdb.Transaction], names: Sequence[bytes], length: int, ended: Callable[[int], None]) -> Blocks:
    """Look up records in blocks of at most some megabytes, each in a transaction of its own, with which its records end.

    Args:
        begin: a transaction with `buffers=True`.
        names: keys of the records.
        length: of a record in bytes; 0: as that of the first, which is then a block by itself.
        ended: called after each transaction with the bytes that were looked at.
    """
    start, count = 0, _at_once(length) if length else 1
    while start < len(names):
        some = names[start : start + count]
        with begin() as transaction:
            found = list(map(transaction.get, some))
            yield start, some, found
        ended(sum([max(len(record), AROUND) for record in found if record is not None]))
        start, count = start + count, _at_once(length or len(found[0] or b""))


def _at_once(length: int) -> int:
    return max(1, min(_BLOCK, _BLOCK_BYTES // (length + 1)))


def examine(names: Sequence[bytes], records: Sequence[memoryview | None]) -> tuple[list[bool], list[bytes]]:
    """Return for each key whether its record is there and is what was sealed, and the keys whose record is there and is not."""
    sound = _sound(names, records)
    if all(sound):
        return sound, []
    rows = zip(names, records, sound, strict=True)
    return sound, [name for name, record, whole in rows if record is not None and not whole]


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
