"""Encoded images of a TFDS data set, written once as files into the user's cache folder.

    <cache>/tfds/<name>-<config>-<version>-<where it lies>/
      index.json           what it was made of, and one row for each example: path, label, split, bytes
      train/00000012.jpg   the bytes as they are encoded in the set; its split and its place in it
      test/...

A folder appears whole or not at all. It is used as long as the set's own files are the same and no image is missing;
else it is made anew, with the same paths. It can be deleted at any time.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transfer.data.decoding.examination import announced
from transfer.data.scan import Found
from transfer.data.sources.tfds.task import Task
from transfer.system import files
from transfer.system.files import cache_home

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

_LAYOUT = 1  # counts up when the folder or its index becomes another
_INDEX = "index.json"
_ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "WebP": ".webp", "JPEG 2000": ".jp2"}
_UNLABELLED = "unlabelled: its label in the data set is no class"


@dataclass(frozen=True)
class _Row:
    path: str
    label: str
    split: str
    size: int  # bytes; -1: not written, since it has no label


def folder_of(builder: "DatasetBuilder") -> Path:
    """Return where the images of a set are kept: named by the set and by the folder that it lies in."""
    place = hashlib.sha256(os.fsencode(builder.data_dir)).hexdigest()[:8]
    config = getattr(builder.builder_config, "name", "") or ""
    return cache_home() / "tfds" / "-".join(part for part in (builder.name, config, str(builder.version), place) if part)


def fingerprint(builder: "DatasetBuilder", task: Task) -> str:
    """Return a digest of what the images and labels are made of: the set's files by name, size and time, and its features.

    Raises:
        OSError: where the set's folder cannot be read.
    """
    with os.scandir(builder.data_dir) as entries:
        files = sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries)
    facts = [_LAYOUT, os.fspath(builder.data_dir), files, task.image, task.label, task.names and list(task.names)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def load(folder: Path, print_: str) -> list[Found] | None:
    """Return what the folder holds; None where it is missing, of another fingerprint, or not whole any more."""
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        if index["fingerprint"] != print_:
            return None
        rows = [_Row(*row) for row in index["rows"]]
        whole = all(row.size < 0 or os.stat(folder / row.path).st_size == row.size for row in rows)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return [_found(row) for row in rows] if whole else None


def _found(row: _Row) -> Found:
    return Found(row.path, row.label, row.split) if row.size >= 0 else Found(row.path, "", "", _UNLABELLED)


class Filling:
    """A folder that is being filled. Leaving it without `publish` (an error, an interruption) leaves nothing behind."""

    def __init__(self, folder: Path) -> None:
        self._final = folder
        self._partial = files.beside(folder, "partial")
        self._rows: list[_Row] = []

    def __enter__(self) -> "Filling":
        self._final.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # another process clears up at the same time
            files.clear_up(self._final.parent)
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir()
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)

    def add(self, name: str, split: str, examples: Iterator[tuple[bytes, str]]) -> Iterator[None]:
        """Write the examples of a split one by one, yielding after each.

        Args:
            name: of the split in the set.
            split: what it is for (train, validation, test), or empty.
            examples: encoded images and the names of their classes, in the order of the set.
        """
        (self._partial / name).mkdir()
        for position, (data, label) in enumerate(examples):
            path = f"{name}/{position:08d}{_ending(data)}"
            if label:
                (self._partial / path).write_bytes(data)
            self._rows.append(_Row(path, label, split, len(data) if label else -1))
            yield

    def publish(self, print_: str) -> list[Found]:
        """Give the folder its final name; return what it holds."""
        rows: Sequence[tuple[object, ...]] = [astuple(row) for row in self._rows]
        files.write_text(self._partial / _INDEX, json.dumps({"fingerprint": print_, "rows": rows}))
        others = load(self._final, print_)  # another process may have been faster, and may be reading it
        if others is not None:
            return others
        files.publish_folder(self._partial, self._final)
        return [_found(row) for row in self._rows]


def _ending(data: bytes) -> str:
    return ".bmp" if data.startswith(b"BM") else _ENDINGS.get(announced(data), "")
