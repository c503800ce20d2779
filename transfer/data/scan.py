"""Files that a source lists -> manifest. Each is read once, for its digest, format and size in pixels; nothing is written.

Files that did not change since an earlier scan (`scan_memory.py`) are not read again.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from transfer.data import scan_memory
from transfer.data.dataset import COLUMNS
from transfer.data.decoding.decodable import DecodeTest
from transfer.data.decoding.transcode import transcoded_path
from transfer.data.reading import Read, identity_of, read_all
from transfer.data.scan_memory import RECORD, Memory, Verdict, now_ns
from transfer.data.storage import Root, is_remote
from transfer.engines import LOCAL, Engine, Lost
from transfer.system.progress import Progress

_TOGETHER = 256  # files that one thread reads before it takes others
_NO_IDENTITY = (-1, 0, 0, 0)  # a size that no file has
_NO_DIGEST = bytes(32)
_NOTHING = np.array([], object)


class Found(NamedTuple):
    """A file that a source lists.

    Attributes:
        reason: why it is skipped without being opened.
        identity: of an object, as its folder lists it (`storage.Object`); None: the file itself is asked.
    """

    path: str
    label: str
    split: str
    reason: str = ""
    group: str = ""
    identity: tuple[int, int, int, int] | None = None


def examined(
    root: Root, found: Sequence[Found], max_megapixels: float, progress: Progress, decode_test: bool = False, engine: Engine = LOCAL
) -> pd.DataFrame:
    """Read every listed file once and return the manifest.

    Args:
        root: where the paths start.
        found: the files.
        max_megapixels: larger images are skipped.
        progress: counts the files.
        decode_test: also decode the pixels, to find truncated and broken images.
        engine: where they are read.
    """
    paths = [item.path for item in found if not item.reason]
    listed = [item.identity for item in found if not item.reason] if is_remote(root) else None
    earlier = scan_memory.load(root, max_megapixels)
    if not earlier.paths and scan_memory.is_damaged(root):
        progress.say("What was remembered of earlier scans is damaged, or of an earlier version: all files are read again.")
    records = np.zeros(len(paths), RECORD)
    numbers = {verdict: number for number, verdict in enumerate(earlier.verdicts)}
    read_at = np.full(len(paths), now_ns(), np.int64)
    with progress.step(engine.titled("Scanning"), len(found), "files") as advance:
        rows = _recalled(earlier, root, paths, listed, decode_test)
        known, unread = rows >= 0, np.flatnonzero(rows < 0)
        records[known] = earlier.records[rows[known]]
        advance(len(found) - len(unread))
        work, wanted = FileReading(root, max_megapixels, decode_test), [paths[number] for number in unread.tolist()]
        try:
            for positions, found_out in engine.stream(work, wanted, _TOGETHER) if wanted else ():
                reads = [Read((0, 0, 0, 0), verdict=Verdict(reason=found_out.reason))] if isinstance(found_out, Lost) else found_out
                part = unread[positions]
                records[part] = _records(reads, numbers)
                if listed is not None:  # as the next scan will find them
                    records["identity"][part] = [listed[number] or _NO_IDENTITY for number in part]
                read_at[part] = [read.read_at_ns for read in reads]
                advance(len(part))
        finally:  # what was read is remembered also where the rest could not be
            latest = Memory(paths, records, list(numbers))
            if read_at[unread].any():  # something new
                _remember(root, max_megapixels, latest, read_at, earlier, progress)
    return _manifest(found, latest)


def _remember(root: Root, max_megapixels: float, latest: Memory, read_at: np.ndarray, earlier: Memory, progress: Progress) -> None:
    try:
        scan_memory.save(root, max_megapixels, latest, read_at, earlier)
    except OSError as error:
        why = error.strerror or "it cannot be written"
        progress.say(f"This scan cannot be remembered, the next one will read all files again: {why}.")


def _recalled(
    earlier: Memory, root: Root, paths: list[str], listed: list[tuple[int, int, int, int] | None] | None, decode_test: bool
) -> np.ndarray:
    """Return the row of each file in the memory; -1 if it is to be read. `listed`: identities, where the files are not asked."""
    if not earlier.paths:
        return np.full(len(paths), -1)
    start = os.fspath(root) + "/"

    def identities() -> Iterator[int]:
        for identity in listed or ():
            yield from identity or _NO_IDENTITY
        for path in paths if listed is None else ():
            try:
                yield from identity_of(os.stat(start + path))
            except OSError:
                yield from _NO_IDENTITY  # reading it gives the reason

    rows = scan_memory.recall(earlier, paths, np.fromiter(identities(), np.int64, 4 * len(paths)).reshape(-1, 4), decode_test)
    transcoded = np.array([verdict.transcoded for verdict in earlier.verdicts])
    for place in np.flatnonzero((rows >= 0) & transcoded[earlier.records["verdict"][rows]]).tolist():
        if not transcoded_path(earlier.records["digest"][rows[place]].tobytes().hex()).exists():
            rows[place] = -1
    return rows


@dataclass(frozen=True)
class FileReading:
    """Makes the worker that reads files and says what each is; see `examined` for the attributes."""

    root: Root
    max_megapixels: float
    decode_test: bool

    def __call__(self) -> Callable[[Sequence[str]], Iterator[tuple[np.ndarray, list[Read]]]]:
        test = DecodeTest(self.max_megapixels) if self.decode_test else None

        def read(paths: Sequence[str]) -> Iterator[tuple[np.ndarray, list[Read]]]:
            parts = [np.arange(start, min(start + _TOGETHER, len(paths))) for start in range(0, len(paths), _TOGETHER)]

            def read_part(part: np.ndarray) -> list[Read]:
                return read_all(self.root, paths[part[0] : part[-1] + 1], self.max_megapixels, test)

            # At least two threads: while one waits for the disk, the other examines. More threads than cores slow each other down.
            with ThreadPoolExecutor(max(2, min(8, os.cpu_count() or 1))) as pool:
                yield from zip(parts, pool.map(read_part, parts), strict=True)

        return read


def _records(reads: Sequence[Read], numbers: dict[Verdict, int]) -> np.ndarray:
    """Return the reads as records; verdicts that have no number yet get the next one."""
    records = np.zeros(len(reads), RECORD)
    records["identity"] = [read.identity for read in reads]
    records["sides"] = [(read.width, read.height) for read in reads]
    records["digest"] = np.frombuffer(b"".join(read.digest or _NO_DIGEST for read in reads), np.uint8).reshape(-1, 32)
    records["verdict"] = [numbers.setdefault(read.verdict, len(numbers)) for read in reads]
    records["tested"] = [read.tested for read in reads]
    return records


def _manifest(found: Sequence[Found], scanned: Memory) -> pd.DataFrame:
    """Combine what the source says with what the files are, column by column: a million rows are common."""
    named = [item[:5] for item in found]
    paths, labels, splits, reasons, groups = (np.array(column, object) for column in zip(*named, strict=True)) if found else [_NOTHING] * 5
    opened = reasons == ""
    numbers = scanned.records["verdict"]

    def column(rest: np.ndarray | str | int, values: np.ndarray) -> np.ndarray:
        """Return `values` for the files that were opened, and `rest` for the others."""
        whole = np.full(len(found), rest, values.dtype)
        whole[opened] = values
        return whole

    def of_verdicts(rest: np.ndarray | str, texts: list[str]) -> np.ndarray:
        return column(rest, np.array(texts, object)[numbers])

    verdicts = scanned.verdicts
    states = ["skipped" if verdict.reason else "transcoded" if verdict.transcoded else "used" for verdict in verdicts]
    reasons = of_verdicts(reasons, [verdict.reason for verdict in verdicts])
    columns = {
        "path": paths,
        "label": labels,
        "split": np.where(reasons == "", splits, ""),
        "group": groups,
        "status": of_verdicts("skipped", states),
        "reason": reasons,
        "traits": of_verdicts("", [verdict.traits for verdict in verdicts]),
        "value_range": np.full(len(found), "", object),
        "digest": column("", _hexadecimal(scanned.records["digest"])),
        "size": column(0, scanned.records["identity"][:, 0]),
        "format": of_verdicts("", [verdict.format for verdict in verdicts]),
        "width": column(0, scanned.records["sides"][:, 0]),
        "height": column(0, scanned.records["sides"][:, 1]),
        "ctime_ns": column(0, scanned.records["identity"][:, 2]),
    }
    # Columns of objects: a file name that is not Unicode (kept as surrogates) does not fit Arrow's strings.
    return pd.DataFrame({name: pd.Series(columns[name], dtype=columns[name].dtype) for name in COLUMNS})


def _hexadecimal(digests: np.ndarray) -> np.ndarray:
    text = digests.tobytes().hex()
    result = np.array([text[start : start + 64] for start in range(0, len(text), 64)], object)
    result[~digests.any(1)] = ""
    return result
