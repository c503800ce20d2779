"""Encoded images of a TFDS data set, written once as files into the user's cache folder.

    <cache>/tfds/<name>-<config>-<version>-<hash of its folder>/
      index.json           fingerprint of the set, and one row for each example: path, label, split, bytes, SHA-256
      train/00000012.jpg   the bytes as they are encoded in the set; its split and its position there
      test/...

A folder appears whole or not at all. It is used as long as the set's own files are the same, the index is not damaged and no image
is missing; otherwise it is made again, with the same paths. It can be deleted at any time. Images are checked when they are scanned
(`delete_damaged`) and when they are decoded (`require_whole`): reading all of them at each start would take longer than all else.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from transfer.data.decoding.examination import announced
from transfer.data.scan import Found
from transfer.data.sources.tfds.task import Task
from transfer.data.storage import RemotePath, Root
from transfer.errors import DataError
from transfer.system import files
from transfer.system.home import cache_home
from transfer.system.resources import spread
from transfer.system.sealed import read_json, write_json

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

_LAYOUT = 2  # raise it whenever the folder or its index changes
_INDEX = "index.json"
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "WebP": ".webp", "JPEG 2000": ".jp2"}
_UNLABELLED = "unlabelled: its label in the data set is no class"


class _Row(NamedTuple):
    path: str
    label: str
    split: str
    size: int  # bytes; -1: not written, because it has no label
    digest: str


def folder_of(builder: "DatasetBuilder") -> Path:
    """Return where the images of a set are kept: named by the set and by the folder that holds it."""
    place = hashlib.sha256(os.fsencode(builder.data_dir)).hexdigest()[:8]
    config = getattr(builder.builder_config, "name", "") or ""
    return _home() / "-".join(part for part in (builder.name, config, str(builder.version), place) if part)


def _home() -> Path:
    return cache_home() / "tfds"


def fingerprint(builder: "DatasetBuilder", task: Task) -> str:
    """Return a digest of what determines the images and labels: names, sizes and times of the set's files, and its features.

    Raises:
        OSError: if the set's folder cannot be read.
    """
    with os.scandir(builder.data_dir) as entries:
        files = sorted((entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries)
    facts = [_LAYOUT, os.fspath(builder.data_dir), files, task.image, task.label, task.names and list(task.names)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def load(folder: Path, print_: str) -> list[Found] | None:
    """Return what the folder holds; None if it is missing, incomplete, or has another fingerprint."""
    try:
        index = read_json(folder / _INDEX)
        if index is None or index["fingerprint"] != print_:
            return None
        rows = [_Row(*row) for row in index["rows"]]
        whole = all(row.size < 0 or os.stat(folder / row.path).st_size == row.size for row in rows)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return [_found(row) for row in rows] if whole else None


def fill(folder: Path, print_: str, splits: Mapping[str, str], examples: Iterable[tuple[str, bytes, str]]) -> list[Found]:
    """Write the images of a set; return what the folder holds then. An error or interruption leaves nothing behind.

    Args:
        folder: from `folder_of`.
        print_: from `fingerprint`.
        splits: name of a split in the set -> train, validation, test, or empty.
        examples: name of the split, encoded image and name of the class (empty: none), in the order of the set.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # another process clears up at the same time
        files.clear_up(folder.parent)
    partial = files.beside(folder, "partial")
    shutil.rmtree(partial, ignore_errors=True)
    counts = dict.fromkeys(splits, 0)
    rows: list[_Row] = []
    try:
        for name in splits:
            (partial / name).mkdir(parents=True)
        for name, data, label in examples:
            path = f"{name}/{counts[name]:08d}{_suffix(data)}"
            counts[name] += 1
            if label:
                (partial / path).write_bytes(data)
            rows.append(_Row(path, label, splits[name], len(data) if label else -1, hashlib.sha256(data).hexdigest()))
        write_json(partial / _INDEX, {"fingerprint": print_, "rows": rows})
        others = load(folder, print_)  # another process may have been faster, and may be reading it
        if others is not None:
            return others
        files.publish_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [_found(row) for row in rows]


def require_whole(root: Root, rows: Iterable[tuple[str, str]]) -> None:
    """Check images that are about to be decoded, if they are copies in this cache.

    Args:
        root: where the paths start; any folder that is not one of this cache is left alone.
        rows: path and SHA-256 of each image; empty for one that was not read.

    Raises:
        DataError: if one is damaged. It is deleted, so that the set is read again next time.
    """
    if isinstance(root, RemotePath) or not root.is_relative_to(_home()):
        return

    read = [row for row in rows if row[1]]
    digests = spread(lambda row: _digest_of(root / row[0]), read)  # empty: who decodes it gives the reason
    wrong = [root / path for (path, expected), digest in zip(read, digests, strict=True) if digest not in ("", expected)]
    for file in wrong:
        file.unlink(missing_ok=True)
    if wrong:
        raise DataError(
            f"Images of the data set are damaged in the cache, and were deleted: {len(wrong)} of {len(read)}. Run the same command "
            f"again, which reads the set again. Received {str(wrong[0])!r}."
        )


def delete_damaged(root: Root, rows: Iterable[tuple[str, str]]) -> int:
    """Delete the images of a folder of this cache whose content, as it was scanned, is not what was written.

    Args:
        root: where the paths start; any folder that is not one of this cache is left alone.
        rows: path and SHA-256 of each image, by a scan; empty for one that could not be read.

    Returns:
        Their number; the set is then to be read again.
    """
    if isinstance(root, RemotePath):
        return 0
    index = read_json(root / _INDEX) if root.is_relative_to(_home()) else None
    if index is None:
        return 0
    expected = {row.path: row.digest for row in (_Row(*row) for row in index["rows"])}
    wrong = [path for path, digest in rows if digest and digest != expected.get(path, digest)]
    for path in wrong:
        (root / path).unlink(missing_ok=True)
    return len(wrong)


def _digest_of(file: Path) -> str:
    """Return the SHA-256 of a file's content; empty if it cannot be read."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return ""


def damaged(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that are missing or not as they were written; the index alone if it is one of them."""
    index = read_json(folder / _INDEX)
    if index is None or "rows" not in index:
        yield folder / _INDEX
        return
    for row in (_Row(*row) for row in index["rows"]):
        if row.size >= 0 and _digest_of(folder / row.path) != row.digest:
            yield folder / row.path


def _found(row: _Row) -> Found:
    return Found(row.path, row.label, row.split) if row.size >= 0 else Found(row.path, "", "", _UNLABELLED)


def _suffix(data: bytes) -> str:
    return ".bmp" if data.startswith(b"BM") else _SUFFIXES.get(announced(data), "")
