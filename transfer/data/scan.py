"""Files that a source lists -> manifest: each read once, for its digest, format and size in pixels. Reads, never writes.

What did not change since an earlier scan (`scan_memory.py`) is not read again.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from transfer.data.dataset import COLUMNS
from transfer.data.decoding.decodable import DecodeTest
from transfer.data.decoding.transcode import transcoded_path
from transfer.data.reading import Read, identity_of, read_all
from transfer.data.scan_memory import Facts, Memory, now_ns
from transfer.system.progress import Progress

_TOGETHER = 256  # files that one thread reads before it takes others
_UNKNOWN = (-1, 0, 0, 0)  # a size that no file has
_NO_DIGEST = bytes(32)
_NOTHING = np.array([], object)


class Found(NamedTuple):
    """A file that a source lists; `reason` is set where it is passed over without being opened."""

    path: str
    label: str
    split: str
    reason: str = ""
    group: str = ""


def examined(root: Path, found: Sequence[Found], max_megapixels: float, progress: Progress, decode_test: bool = False) -> pd.DataFrame:
    """Read every listed file once and return the manifest.

    Args:
        root: where the paths start.
        found: the files.
        max_megapixels: larger images are skipped.
        progress: told of each file.
        decode_test: also decode the pixels, so that truncated and broken images are found.
    """
    scan = _Scan(root, [item.path for item in found if not item.reason], max_megapixels, decode_test)
    with progress.step("Scanning", len(found), "files") as advance:
        advance(len(found) - len(scan.paths) + scan.recall())
        for count in scan.read():
            advance(count)
    trouble = scan.remember()
    if trouble:
        progress.say(f"This scan cannot be remembered, the next one will read all files again: {trouble}.")
    return _manifest(found, scan.facts)


class _Scan:
    """Files of one folder, and what is known of them so far."""

    def __init__(self, root: Path, paths: list[str], max_megapixels: float, decode_test: bool) -> None:
        self.root, self.paths, self.max_megapixels = root, paths, max_megapixels
        self.test = DecodeTest(max_megapixels) if decode_test else None
        self.memory = Memory(root, max_megapixels)
        self.facts = Facts.of(len(paths))
        self.read_at = np.full(len(paths), now_ns(), np.int64)
        self.unknown: Sequence[int] = range(len(paths))

    def recall(self) -> int:
        """Take over what is remembered of unchanged files; return how many those are."""
        if self.memory.empty:
            return 0
        known, facts = self.memory.recall(self.paths, self._identities(), self.test is not None)
        self.facts.vocabulary[:] = facts.vocabulary
        for name, remembered in facts.arrays().items():
            self.facts.arrays()[name][known] = remembered
        for row in self._lost(known):
            known[row] = False
        self.unknown = np.flatnonzero(~known).tolist()
        return len(self.paths) - len(self.unknown)

    def _identities(self) -> np.ndarray:
        start = os.fspath(self.root) + "/"

        def identities() -> Iterator[int]:
            for path in self.paths:
                try:
                    yield from identity_of(os.stat(start + path))
                except OSError:
                    yield from _UNKNOWN  # whoever reads it says why

        return np.fromiter(identities(), np.int64, 4 * len(self.paths)).reshape(-1, 4)

    def _lost(self, known: np.ndarray) -> list[int]:
        """Return the transcoded images whose PNG is no longer in the cache."""
        transcoded = np.array([verdict.transcoded for verdict in self.facts.vocabulary])
        rows = np.flatnonzero(known & transcoded[self.facts.verdicts])
        return [row for row in rows.tolist() if not transcoded_path(self.facts.digests[row].tobytes().hex()).exists()]

    def read(self) -> Iterator[int]:
        """Read the other files, and yield after some of them how many those were."""
        parts = [self.unknown[start : start + _TOGETHER] for start in range(0, len(self.unknown), _TOGETHER)]
        numbers = {verdict: number for number, verdict in enumerate(self.facts.vocabulary)}

        def read_part(part: Sequence[int]) -> list[Read]:
            return read_all(self.root, [self.paths[number] for number in part], self.max_megapixels, self.test)

        with ThreadPoolExecutor(_readers()) as pool:
            for part, reads in zip(parts, pool.map(read_part, parts), strict=True):
                self.facts.numbers[part] = [(*read.identity, read.width, read.height) for read in reads]
                self.facts.verdicts[part] = [numbers.setdefault(read.verdict, len(numbers)) for read in reads]
                self.facts.tested[part] = [read.tested for read in reads]
                self.facts.digests[part] = np.frombuffer(b"".join(read.digest or _NO_DIGEST for read in reads), np.uint8).reshape(-1, 32)
                self.read_at[part] = [read.read_at_ns for read in reads]
                yield len(part)
        self.facts.vocabulary[:] = numbers

    def remember(self) -> str:
        """Keep what was found out for the next scan; return why that is impossible, empty where it is not."""
        if not self.read_at[self.unknown].any():
            return ""  # nothing new
        try:
            self.memory.save(self.root, self.paths, self.facts, self.read_at)
        except OSError as error:
            return error.strerror or "it cannot be written"
        return ""


def _readers() -> int:
    # Two even on one core: while one waits for the disk the other judges. More than there are cores hinder each other.
    return max(2, min(8, os.cpu_count() or 1))


def _manifest(found: Sequence[Found], facts: Facts) -> pd.DataFrame:
    """Put what the source says and what the files are into one table, column by column: a million rows are common."""
    paths, labels, splits, said, groups = (np.array(column, object) for column in zip(*found, strict=True)) if found else [_NOTHING] * 5
    opened = said == ""
    verdicts = np.zeros(len(found), np.int32)
    verdicts[opened] = facts.verdicts
    states = ["skipped" if verdict.reason else ("transcoded" if verdict.transcoded else "used") for verdict in facts.vocabulary]
    reasons = np.where(opened, _column(verdicts, [verdict.reason for verdict in facts.vocabulary]), said)
    columns: dict[str, np.ndarray] = {
        "path": paths,
        "label": labels,
        "split": np.where(reasons == "", splits, ""),
        "group": groups,
        "status": np.where(opened, _column(verdicts, states), "skipped"),
        "reason": reasons,
        "traits": np.where(opened, _column(verdicts, [verdict.traits for verdict in facts.vocabulary]), ""),
        "digest": _digests(opened, facts),
        "format": np.where(opened, _column(verdicts, [verdict.format for verdict in facts.vocabulary]), ""),
    }
    for name, column in (("size", 0), ("width", 4), ("height", 5), ("mtime_ns", 1)):
        columns[name] = np.zeros(len(found), np.int64)
        columns[name][opened] = facts.numbers[:, column]
    # Columns of objects: a file name that is no Unicode (kept as surrogates) does not fit Arrow's strings.
    texts = {name: pd.Series(values, dtype=object) for name, values in columns.items() if values.dtype == object}
    return pd.DataFrame(columns | texts)[COLUMNS]


def _column(verdicts: np.ndarray, texts: list[str]) -> np.ndarray:
    return np.array(texts, object)[verdicts]


def _digests(opened: np.ndarray, facts: Facts) -> np.ndarray:
    text = facts.digests.tobytes().hex()
    digests = np.full(len(opened), "", object)
    digests[opened] = [text[start : start + 64] for start in range(0, len(text), 64)]
    rows = np.flatnonzero(opened)
    digests[rows[~facts.digests.any(1)]] = ""
    return digests
