"""What earlier scans found out, so that files that did not change since are not read again.

One file for each data folder in the cache: arrays in NumPy's `.npz` format (its checksums tell a damaged one), written beside
and renamed. It can be deleted at any time. A file's content is taken for unchanged while its size, both its times and its
inode are the same, and never where it was changed so shortly before it was read that another change could bear the same time
("racily clean", as in git's documentation of its index).
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

from transfer.data.decoding import DECODER_VERSION
from transfer.system.files import cache_home, replacing

FORMAT = 1
"""Raise it whenever what is remembered, or how a file is judged, changes."""

RACY_NS = 2_000_000_000
"""Files changed less than this before they were read are read again next time."""

_JUDGES = ("pillow", "pillow-heif", "tensorflow")
_IDENTITY = 4  # size, mtime, ctime, inode
_ARRAYS: dict[str, tuple[type[np.generic], int]] = {
    "numbers": (np.int64, 6), "digests": (np.uint8, 32), "verdicts": (np.int32, 0), "tested": (np.bool_, 0),
}  # fmt: skip


class Verdict(NamedTuple):
    """What a file was found to be, but for its size and digest."""

    format: str = ""
    traits: str = ""
    transcoded: bool = False
    reason: str = ""


class Facts(NamedTuple):
    """What is known of many files.

    Attributes:
        numbers: int64 [n, 6]: size, mtime_ns, ctime_ns, inode, width, height.
        digests: uint8 [n, 32]: SHA-256; zeros where a file was not read.
        verdicts: int32 [n]: positions in `vocabulary`.
        tested: bool [n]: the pixels were decoded, or need not be.
        vocabulary: the distinct verdicts.
    """

    numbers: np.ndarray
    digests: np.ndarray
    verdicts: np.ndarray
    tested: np.ndarray
    vocabulary: list[Verdict]

    @classmethod
    def of(cls, count: int) -> "Facts":
        """Return room for `count` files, of which nothing is known yet."""
        arrays = {name: np.zeros(_shape(count, width), kind) for name, (kind, width) in _ARRAYS.items()}
        return cls(**arrays, vocabulary=[Verdict()])

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what has one row a file, by name."""
        return {name: getattr(self, name) for name in _ARRAYS}


def _shape(count: int, width: int) -> tuple[int, ...]:
    return (count, width) if width else (count,)


class Memory:
    """What is remembered of one data folder under one limit of megapixels."""

    def __init__(self, root: Path, max_megapixels: float) -> None:
        self.path = memory_path(root)
        self._key = _key(root, max_megapixels)
        self._paths, self._facts = self._load()

    def _load(self) -> tuple[list[str], Facts]:
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                about = json.loads(stored["about"].tobytes())
                if about["key"] != self._key:
                    return [], Facts.of(0)
                paths = os.fsdecode(stored["paths"].tobytes()).split("\0")[:-1]
                facts = Facts(**{name: stored[name] for name in _ARRAYS}, vocabulary=[Verdict(*entry) for entry in about["vocabulary"]])
            return (paths, facts) if _consistent(paths, facts) else ([], Facts.of(0))
        except Exception:  # missing, cut off, foreign, of another version: NumPy and zipfile raise all kinds of errors
            return [], Facts.of(0)

    @property
    def empty(self) -> bool:
        """Whether nothing is remembered."""
        return not self._paths

    def recall(self, paths: Sequence[str], numbers: np.ndarray, decode_tested: bool) -> tuple[np.ndarray, Facts]:
        """Return which files are unchanged, and what is known of those.

        Args:
            paths: relative to the data folder.
            numbers: int64 [n, 4]: size, mtime_ns, ctime_ns, inode, as they are now; a size below 0: not to be recalled.
            decode_tested: only those count whose pixels were decoded.

        Returns:
            bool [n], and facts of as many rows as are true.
        """
        rows = self._rows(paths)
        known = rows >= 0
        known[known] = (self._facts.numbers[rows[known], :_IDENTITY] == numbers[known]).all(1)
        if decode_tested:
            known[known] = self._facts.tested[rows[known]]
        chosen = {name: array[rows[known]] for name, array in self._facts.arrays().items()}
        return known, Facts(**chosen, vocabulary=self._facts.vocabulary)

    def _rows(self, paths: Sequence[str]) -> np.ndarray:
        if len(paths) == len(self._paths) and list(paths) == self._paths:
            return np.arange(len(paths))
        positions = {path: number for number, path in enumerate(self._paths)}
        return np.fromiter((positions.get(path, -1) for path in paths), np.int64, len(paths))

    def save(self, root: Path, paths: Sequence[str], facts: Facts, read_at_ns: np.ndarray) -> None:
        """Remember these files, and those of earlier scans that were not asked for now and still exist.

        Args:
            root: the data folder.
            paths: relative to it.
            facts: of each path; those with a size below 0 are not to be remembered.
            read_at_ns: int64 [n]: the time before each was read, by the clock of this machine.

        Raises:
            OSError: where it cannot be written.
        """
        latest = facts.numbers[:, 1:3].max(1, initial=0)
        keep = (facts.numbers[:, 0] >= 0) & facts.digests.any(1) & (latest < read_at_ns - RACY_NS)
        listed = set(paths)
        start = os.fspath(root) + "/"
        others = [n for n, path in enumerate(self._paths) if path not in listed and os.path.lexists(start + path)]
        old, new = self._facts.arrays(), facts.arrays()
        arrays = {name: np.concatenate([new[name][keep], old[name][others]]) for name in _ARRAYS}
        arrays["verdicts"][int(keep.sum()) :] += len(facts.vocabulary)
        in_use, verdicts_in_use = np.unique(arrays["verdicts"], return_inverse=True)
        arrays["verdicts"] = verdicts_in_use.astype(np.int32)
        verdicts = facts.vocabulary + self._facts.vocabulary
        names = [paths[n] for n in np.flatnonzero(keep).tolist()] + [self._paths[n] for n in others]
        about = {"key": self._key, "vocabulary": [verdicts[number] for number in in_use]}
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        arrays["paths"] = np.frombuffer(os.fsencode("".join(f"{name}\0" for name in names)), np.uint8)
        with replacing(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


def memory_path(root: Path) -> Path:
    """Return where the memory of a data folder lies."""
    return cache_home() / "scans" / f"{hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:32]}.npz"


def now_ns() -> int:
    """Return the time of this machine's clock, as files bear it."""
    return time.time_ns()


def _key(root: Path, max_megapixels: float) -> str:
    """Name whatever the verdict on a file depends on, beside the file."""
    judges = [f"{name}-{_version(name)}" for name in _JUDGES]
    return json.dumps([FORMAT, DECODER_VERSION, os.fsencode(root.absolute()).hex(), max_megapixels, *judges])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _consistent(paths: list[str], facts: Facts) -> bool:
    """Whether the arrays belong together: another program's file could have the same names in it."""
    count = len(paths)
    for name, array in facts.arrays().items():
        kind, width = _ARRAYS[name]
        if array.dtype != kind or array.shape != _shape(count, width):
            return False
    return not count or (facts.verdicts.min() >= 0 and facts.verdicts.max() < len(facts.vocabulary))
