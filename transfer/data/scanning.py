"""Files that a source lists -> manifest: each read once, for its digest, format and size in pixels. Reads, never writes."""

import hashlib
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from transfer.data.checks import Header, examine
from transfer.data.manifest import COLUMNS
from transfer.progress import Progress

_BYTES_PER_PIXEL = 8  # 16-bit RGBA, uncompressed
_METADATA = 64_000_000  # bytes that a file may have beside its pixels


@dataclass(frozen=True)
class Found:
    """A file that a source lists; `reason` is set where it is passed over without being opened."""

    path: str
    label: str
    split: str
    reason: str = ""
    group: str = ""


def examined(root: Path, found: Sequence[Found], max_megapixels: float, progress: Progress) -> pd.DataFrame:
    """Read every listed file once and return the manifest.

    Args:
        root: where the paths start.
        found: the files.
        max_megapixels: larger pictures are skipped.
        progress: told of each file.
    """
    rows = []
    with progress.step("Scanning", len(found), "files") as advance, ThreadPoolExecutor(_readers()) as pool:
        for row in pool.map(lambda item: _row(root, item, max_megapixels), found):
            rows.append(row)
            advance(1)
    # Columns of objects: a file name that is no Unicode (kept as surrogates) does not fit Arrow's strings.
    manifest = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    return manifest.astype(dict.fromkeys(["size", "width", "height", "mtime_ns"], "int64"))


def _readers() -> int:
    return min(8, 2 * (os.cpu_count() or 1))


def _row(root: Path, item: Found, max_megapixels: float) -> tuple[object, ...]:
    digest, size, header, mtime = "", 0, Header(), 0
    reason = item.reason
    if not reason:
        try:
            status = os.stat(root / item.path)
            size, mtime = status.st_size, status.st_mtime_ns
            if not stat.S_ISREG(status.st_mode):
                reason = "not a regular file"
            elif size > _BYTES_PER_PIXEL * max_megapixels * 1e6 + _METADATA:
                reason = f"too large: {size / 1e6:.0f} MB is more than a picture of {max_megapixels:g} megapixels takes"
            else:
                data = (root / item.path).read_bytes()
                size, digest = len(data), hashlib.sha256(data).hexdigest()
                header = examine(data, digest, max_megapixels)
                reason = header.reason
        except FileNotFoundError:
            broken = os.path.islink(root / item.path)
            reason = "broken link" if broken else "vanished while the folder was read"
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
    state = "skipped" if reason else ("transcoded" if header.transcoded else "used")
    split = "" if reason else item.split
    facts = digest, size, header.format, header.width, header.height, mtime
    return item.path, item.label, split, item.group, state, reason, " ".join(header.traits), *facts
