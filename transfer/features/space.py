"""Disk space of the feature store: checked and reported before anything is written."""

import shutil
from pathlib import Path

from transfer.errors import StoreError
from transfer.features.extractor import FeatureExtractor
from transfer.system.checksums import BYTES as CHECKSUM_BYTES
from transfer.system.progress import Progress

_PAGE = 4096
_HEADER = 16
_KEY = 48 + 8
_REPORTED = 100 * 10**6
"""Bytes; less than this is not reported."""


def record_bytes(width: int, itemsize: int) -> int:
    """Return the disk space of one record in bytes: LMDB stores large values in whole pages."""
    size = width * itemsize + CHECKSUM_BYTES + _HEADER
    if size > _PAGE // 2:
        return -(-size // _PAGE) * _PAGE
    return _PAGE // (_PAGE // (size + _KEY))  # a page divided by the records that fit on it


def bytes_of(extractor: FeatureExtractor) -> int:
    """Return the disk space of all outputs of one image in bytes."""
    return sum(record_bytes(extractor.width(output), extractor.dtype(output).itemsize) for output in extractor.outputs)


def require(folder: Path, needed: int, records: int, progress: Progress) -> None:
    """Check that the disk has enough free space, and report the space needed if it is large.

    Args:
        folder: folder of the store.
        needed: bytes that will be written.
        records: number of images and views.
        progress: reports the space needed.

    Raises:
        StoreError: if there is not enough free space.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"The features of {records:,} images and views need {size(needed)}; {size(free)} are free. Free some space (transfer store "
            "prune), point TRANSFER_HOME to another disk, or use fewer augment.views, a smaller image_size or a higher unfreeze_from. "
            f"Store: {folder}"
        )
    if needed >= _REPORTED:
        progress.say(f"Storing features of {records:,} images and views: {size(needed)} of {size(free)} free in {folder}")


def size(count: float) -> str:
    """Return a number of bytes in readable form: `703 MB`, `1.2 GB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB" if count < 1000 else f"{count / 1000:.1f} TB"
