"""List, verify and prune the feature sets in the store."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb

from transfer.features import pages, records
from transfer.features.store import DESCRIPTION, FORMAT, count, folder


@dataclass(frozen=True)
class StoredSet:
    """One feature set on disk."""

    id: str
    network: str
    size: int
    precision: str
    records: int
    bytes: int
    days_unused: float
    engine: str = "tensorflow"


@dataclass(frozen=True)
class Verified:
    """What was found of a feature set.

    Attributes:
        id: the set.
        records: how many were read.
        damaged: how many of them fail their checksum; they are computed again when they are needed.
        problem: why the set as a whole cannot be used; empty if it can.
        outdated: whether it was made by an earlier version: it is no longer used, and not checked.
    """

    id: str
    records: int
    damaged: int
    problem: str = ""
    outdated: bool = False


def verify(ids: list[str] | None = None) -> Iterator[Verified]:
    """Read every record of these sets, by default of all, and check it; nothing is changed."""
    for item in listing():
        if not ids or item.id in ids:
            yield _verify(folder() / item.id)


def _verify(path: Path) -> Verified:
    if _description(path).get("format", 1) != FORMAT:
        return Verified(path.name, 0, 0, outdated=True)
    with pages.lock(path):
        problem = pages.problem(path)
        if problem:
            return Verified(path.name, 0, 0, problem)
        try:
            with pages.open_environment(path, padding=records.MOST_BYTES) as environment, environment.begin(buffers=True) as transaction:
                count = broken = 0
                for name, record in transaction.cursor():
                    count, broken = count + 1, broken + (records.unsealed(bytes(name), record) is None)
            return Verified(path.name, count, broken)
        except lmdb.Error as error:
            return Verified(path.name, 0, 0, str(error))


def listing() -> list[StoredSet]:
    """Return all feature sets, largest first. A damaged set is listed with -1 records."""
    found = [_describe(path) for path in sorted(folder().glob("*")) if path.is_dir() and not path.name.startswith(".")]
    return sorted(found, key=lambda item: -item.bytes)


def _describe(path: Path) -> StoredSet:
    description = _description(path)
    size = sum(file.stat().st_blocks * 512 for file in path.iterdir() if file.is_file())
    used = float(description.get("used", path.stat().st_mtime))
    return StoredSet(
        id=path.name,
        network=str(description.get("network", "unknown")),
        size=int(description.get("size", 0)),
        precision=str(description.get("precision", "")),
        records=count(path),
        bytes=size,
        days_unused=max(time.time() - used, 0.0) / 86400,
        engine=str(description.get("engine", "tensorflow")),
    )


def _description(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((path / DESCRIPTION).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def prune(older_than_days: float | None = None, ids: list[str] | None = None, everything: bool = False) -> list[StoredSet]:
    """Delete feature sets and return them. Processes that are reading a deleted set are not affected.

    Args:
        older_than_days: delete the sets unused for at least this number of days.
        ids: delete the sets with these ids.
        everything: delete all sets.
    """
    doomed = [
        item
        for item in listing()
        if everything or item.id in (ids or []) or (older_than_days is not None and item.days_unused >= older_than_days)
    ]
    for item in doomed:
        # Renamed first: a process that opens the set now gets a new, empty one, never a partly deleted one.
        path, aside = folder() / item.id, folder() / f".{item.id}.pruned-{os.getpid()}"
        with pages.lock(path):
            os.rename(path, aside)
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(pages.aside(path), ignore_errors=True)
    for left in folder().glob(".*.pruned-*"):
        shutil.rmtree(left, ignore_errors=True)
    return doomed
