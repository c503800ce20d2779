"""Checksums of what is kept on disk, so that damage is found before it is used.

XXH3 of 64 bits (https://xxhash.com): as fast as memory, and a damaged record passes with a chance of 2^-64. It protects against
disks, not against people: whoever can write the cache can write matching checksums.
"""

from pathlib import Path

import xxhash

BYTES = 8
"""Length of a checksum."""

_BLOCK = 1 << 20


def checksum(data: bytes | memoryview) -> bytes:
    """Return the checksum of some bytes, `BYTES` long."""
    return xxhash.xxh3_64_digest(data)


def checksum_of_file(path: Path) -> str:
    """Return the checksum of a file's content in hexadecimal digits.

    Raises:
        OSError: if it cannot be read.
    """
    running = xxhash.xxh3_64()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            running.update(block)
    return running.hexdigest()
