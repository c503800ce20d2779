"""Room on the disk of the feature store: told, with what is free, before it is used."""

import shutil
from pathlib import Path

from transfer.errors import StoreError
from transfer.system.progress import Progress

_PAGE = 4096
_HEADER = 16
_KEY = 48 + 8
_TOLD = 100 * 10**6
"""Less than this many bytes is not worth a line."""


def record_bytes(width: int, itemsize: int) -> int:
    """Return the room of one record, in bytes: LMDB gives large values whole pages."""
    size = width * itemsize + _HEADER
    if size > _PAGE // 2:
        return -(-size // _PAGE) * _PAGE
    return _PAGE // (_PAGE // (size + _KEY))  # so many fit on a page


def require(folder: Path, needed: int, records: int, progress: Progress) -> None:
    """Say how much room a pass needs, where it is much, and how much is free.

    Args:
        folder: where the store lies.
        needed: bytes that will be written.
        records: images and views that they belong to.
        progress: told of it.

    Raises:
        StoreError: where there is not so much.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StoreError(
            f"The features of {records:,} images and views need {size(needed)}; {size(free)} are free. Free some space (transfer store "
            "prune), point TRANSFER_HOME to another disk, or use fewer augment.views, a smaller image_size or a higher unfreeze_from. "
            f"Store: {folder}"
        )
    if needed >= _TOLD:
        progress.say(f"Storing features of {records:,} images and views: {size(needed)} of {size(free)} free in {folder}")


def size(count: float) -> str:
    """Return a number of bytes for people: `703 MB`, `1.2 GB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB" if count < 1000 else f"{count / 1000:.1f} TB"
