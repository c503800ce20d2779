"""Keys of the feature store's records: the digest of an image's bytes, then that of its view and output, 48 bytes."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from transfer.system.sequences import Made

BYTES = 48
_DIGEST = 32

Name = tuple[str, str]
"""View (`0` is the plain image) and output (cut point and pooling) of a record."""


def key(digest: str, view: str, output: str) -> bytes:
    """Return the key of a record: digest of the image's bytes, view (`0` is the plain image), output (cut point and pooling)."""
    return bytes.fromhex(digest) + _ending(view, output)


def by_image(digests: Iterable[str], names: Sequence[Name]) -> Made[bytes]:
    """Return the keys of all these records of each image, image by image."""
    rows, endings = _rows(digests), _endings(names)
    return Made(len(rows) * len(endings), lambda numbers: _joined(rows[numbers // len(endings)], endings[numbers % len(endings)]))


def by_name(digests: Iterable[str], names: Sequence[Name]) -> Made[bytes]:
    """Return the keys of the first of these records of all images, then those of the second, and so on."""
    rows, endings = _rows(digests), _endings(names)
    return Made(len(rows) * len(endings), lambda numbers: _joined(rows[numbers % len(rows)], endings[numbers // len(rows)]))


@lru_cache(maxsize=4096)
def _ending(view: str, output: str) -> bytes:
    return hashlib.sha256(f"{view}/{output}".encode()).digest()[: BYTES - _DIGEST]


def _rows(digests: Iterable[str]) -> np.ndarray:
    """Return hexadecimal digests as uint8 [n, 32]: a tenth of the memory of the keys."""
    return np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(-1, _DIGEST)


def _endings(names: Sequence[Name]) -> np.ndarray:
    return np.frombuffer(b"".join(_ending(*name) for name in names), np.uint8).reshape(-1, BYTES - _DIGEST)


def _joined(digests: np.ndarray, endings: np.ndarray) -> list[bytes]:
    keys: list[bytes] = np.concatenate([digests, endings], axis=1).view(f"V{BYTES}").ravel().tolist()
    return keys
