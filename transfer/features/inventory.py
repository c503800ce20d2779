"""List and prune the feature sets in the store."""

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from transfer.features.store import DESCRIPTION, count, folder


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


def listing() -> list[StoredSet]:
    """Return all feature sets, largest first. A damaged set is listed with -1 records."""
    found = [_describe(path) for path in sorted(folder().glob("*")) if path.is_dir() and not path.name.startswith(".")]
    return sorted(found, key=lambda item: -item.bytes)


def _describe(path: Path) -> StoredSet:
    try:
        description = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        description = {}
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
    )


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
        aside = folder() / f".{item.id}.pruned-{os.getpid()}"
        os.rename(folder() / item.id, aside)
        shutil.rmtree(aside, ignore_errors=True)
    for left in folder().glob(".*.pruned-*"):
        shutil.rmtree(left, ignore_errors=True)
    return doomed
