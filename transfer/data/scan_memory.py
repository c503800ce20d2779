"""What earlier scans found, so that files that did not change are not read again.

Each data folder has one file in the cache: a NumPy `.npz` archive that ends with its checksum, written beside and renamed.
It can be deleted at any time. A file counts as unchanged while its size, both its times and its inode are the same, and
never if it was changed so shortly before it was read that another change could have the same time ("racily clean" in git's
documentation of its index).
"""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from transfer.data.decoding import DECODER_VERSION, opening
from transfer.data.storage import Root, is_remote
from transfer.system.home import cache_home
from transfer.system.sealed import is_whole, read_arrays, write_arrays

FORMAT = 2
"""Raise it whenever what is remembered, or how a file is judged, changes."""

RACY_NS = 2_000_000_000
"""Files changed less than this before they were read are read again next time."""

RECORD = np.dtype(
    [("identity", np.int64, 4), ("sides", np.int64, 2), ("digest", np.uint8, 32), ("verdict", np.int32), ("tested", np.bool_)]
)
"""What is known of one file.

identity: size, mtime_ns, ctime_ns, inode; sides: width, height; digest: SHA-256, zeros if the file was not read; verdict:
position in the list of verdicts; tested: its pixels were decoded, or need not be.
"""

_JUDGES = (
    "pillow", "pillow-heif", "tensorflow", "tifffile",
    "rawpy", "pydicom", "imagecodecs",  # of the extras: a file that was skipped for lack of one is read once it is installed
    "gdcm", "python-gdcm", "pyjpegls", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle",  # which pydicom uses
)  # fmt: skip


class Verdict(NamedTuple):
    """The result of examining a file, apart from its size and digest."""

    format: str = ""
    traits: str = ""
    transcoded: bool = False
    reason: str = ""


class Memory(NamedTuple):
    """What is remembered of a data folder: paths, their records (`RECORD` [n]), and the distinct verdicts that those refer to."""

    paths: list[str]
    records: np.ndarray
    verdicts: list[Verdict]


_EMPTY = Memory([], np.zeros(0, RECORD), [])


def load(root: Root, max_megapixels: float) -> Memory:
    """Return what earlier scans with this limit remember of a data folder; nothing if that is missing, old or damaged."""
    stored = read_arrays(memory_path(root))
    if stored is None:
        return _EMPTY
    try:
        about, records = json.loads(stored["about"].tobytes()), stored["records"]
        paths = os.fsdecode(stored["paths"].tobytes()).split("\0")[:-1]
        verdicts = [Verdict(*entry) for entry in about["verdicts"]]
        # Another program's file could have the same names in it.
        valid = about["key"] == _key(root, max_megapixels) and len(set(verdicts)) == len(verdicts)
        valid &= records.dtype == RECORD and records.shape == (len(paths),)
        if valid and paths and records["verdict"].min() >= 0 and records["verdict"].max() < len(verdicts):
            return Memory(paths, records, verdicts)
    except (KeyError, TypeError, ValueError):  # another version's
        pass
    return _EMPTY


def is_damaged(root: Root) -> bool:
    """Return whether there is a memory of a data folder that cannot be read."""
    return memory_path(root).is_file() and not is_whole(memory_path(root))


def recall(memory: Memory, paths: Sequence[str], identities: np.ndarray, decode_tested: bool) -> np.ndarray:
    """Return the row of each file in the memory, int64 [n]; -1 if it is not remembered or has changed.

    Args:
        memory: from `load`.
        paths: relative to the data folder.
        identities: int64 [n, 4]: size, mtime_ns, ctime_ns, inode, as they are now; a size below 0 is never recalled.
        decode_tested: recall only files whose pixels were decoded.
    """
    if len(paths) == len(memory.paths) and list(paths) == memory.paths:
        rows = np.arange(len(paths))
    else:
        positions = {path: number for number, path in enumerate(memory.paths)}
        rows = np.fromiter((positions.get(path, -1) for path in paths), np.int64, len(paths))
    listed = np.flatnonzero(rows >= 0)
    same = (memory.records["identity"][rows[listed]] == identities[listed]).all(1)
    if decode_tested:
        same &= memory.records["tested"][rows[listed]]
    rows[listed[~same]] = -1
    return rows


def save(root: Root, max_megapixels: float, latest: Memory, read_at_ns: np.ndarray, earlier: Memory) -> None:
    """Remember the files of this scan, and those of earlier scans that were not listed now and still exist.

    Objects are not asked whether they exist: that would be a request for each.

    Args:
        root: the data folder.
        max_megapixels: the limit of this scan.
        latest: the files of this scan, with verdicts that begin with the earlier ones; files without a digest are not remembered.
        read_at_ns: int64 [n]: the time before each file was read, by this machine's clock.
        earlier: what was loaded before this scan.

    Raises:
        OSError: if it cannot be written.
    """
    changed_at = latest.records["identity"][:, 1:3].max(1, initial=0)
    kept = np.flatnonzero(latest.records["digest"].any(1) & (changed_at < read_at_ns - RACY_NS))
    listed, start = set(latest.paths), os.fspath(root) + "/"
    others = [n for n, path in enumerate(earlier.paths) if path not in listed and (is_remote(root) or os.path.lexists(start + path))]
    records = np.concatenate([latest.records[kept], earlier.records[others]])
    in_use, records["verdict"] = np.unique(records["verdict"], return_inverse=True)
    about = {"key": _key(root, max_megapixels), "verdicts": [latest.verdicts[number] for number in in_use]}
    paths = [latest.paths[n] for n in kept.tolist()] + [earlier.paths[n] for n in others]
    arrays = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        "paths": np.frombuffer(os.fsencode("".join(f"{path}\0" for path in paths)), np.uint8),
        "records": records,
    }
    write_arrays(memory_path(root), arrays)


def memory_path(root: Root) -> Path:
    """Return the file that remembers the scans of a data folder."""
    return cache_home() / "scans" / f"{hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:32]}.npz"


def now_ns() -> int:
    """Return the time by this machine's clock, in the unit of file times."""
    return time.time_ns()


def _key(root: Root, max_megapixels: float) -> str:
    """Name everything that the verdict on a file depends on, apart from the file."""
    judges = [f"{name}-{_version(name)}" for name in _JUDGES] + [f"Pillow opens {' '.join(opening.FORMATS)}"]
    return json.dumps([FORMAT, DECODER_VERSION, os.fsencode(root.absolute()).hex(), max_megapixels, *judges])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
