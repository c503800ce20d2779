"""An image folder -> manifest. Reads, never writes; lists every file it sees, with the reason where it is not used."""

import hashlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from transfer.data.checks import Header, examine
from transfer.data.manifest import COLUMNS
from transfer.errors import DataError
from transfer.progress import Progress

_SPLIT_FOLDERS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db"}
_BYTES_PER_PIXEL = 8  # 16-bit RGBA, uncompressed
_METADATA = 64_000_000  # bytes that a file may have beside its pixels


@dataclass(frozen=True)
class Found:
    """A file seen in the folder; `reason` is set where it is passed over without being opened."""

    path: str
    label: str
    split: str
    reason: str = ""


@dataclass(frozen=True)
class Source:
    """A scanned folder: its manifest, and whether the folder itself says which file is in which split."""

    root: Path
    manifest: pd.DataFrame
    ready_made: bool


def scan(folder: Path, max_megapixels: float, progress: Progress) -> Source:
    """Read every file of an image folder once: digest, format, size in pixels.

    Args:
        folder: `folder/<class>/**/<picture>`, or `folder/train|val|test/<class>/**/<picture>`.
        max_megapixels: larger pictures are skipped.
        progress: told of each file.

    Raises:
        DataError: where the folder is missing, a file, or empty.
    """
    require_folder(folder)
    root = folder
    ready_made = _has_split_folders(root)
    found = sorted(_walk(root, ready_made), key=lambda item: os.fsencode(item.path))
    if not found:
        raise DataError(f"The folder is empty. Expected DATA/<class>/<picture>. Received {str(folder)!r}.")
    rows = []
    with progress.step("Scanning", len(found), "files") as advance, ThreadPoolExecutor(_readers()) as pool:
        for row in pool.map(lambda item: _row(root, item, max_megapixels), found):
            rows.append(row)
            advance(1)
    # Columns of objects: a file name that is no Unicode (kept as surrogates) does not fit Arrow's strings.
    manifest = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    numbers = ["size", "width", "height", "mtime_ns"]
    return Source(root, manifest.astype(dict.fromkeys(numbers, "int64")), ready_made)


def require_folder(folder: Path) -> None:
    """Check that there is a data folder and that it can be read.

    Raises:
        DataError: where there is none.
    """
    if not os.path.exists(folder):  # noqa: PTH110  (the method of Path raises on names too long or out of reach)
        raise DataError(f"The data folder does not exist. Expected a folder with one sub-folder a class. Received {str(folder)!r}.")
    if not os.path.isdir(folder):
        raise DataError(f"DATA is a folder with one sub-folder for each class, not a file. Received {str(folder)!r}.")
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise DataError(f"The data folder cannot be read: {error.strerror}. Received {str(folder)!r}.") from None


def _readers() -> int:
    return min(8, 2 * (os.cpu_count() or 1))


def _folders(parent: Path) -> list[str]:
    try:
        names = os.listdir(parent)
    except OSError:
        return []  # the walk says why
    return sorted(name for name in names if not name.startswith(".") and os.path.isdir(parent / name))


def _has_split_folders(root: Path) -> bool:
    """Whether all folders are named like splits, and the training one holds class folders.

    The others need not: a test folder of unlabelled pictures is common, and is no class of its own.
    """
    names = _folders(root)
    splits = {name: _SPLIT_FOLDERS.get(name.lower()) for name in names}
    training = [name for name, split in splits.items() if split == "train"]
    return len(names) > 1 and None not in splits.values() and bool(training) and all(_folders(root / name) for name in training)


def _walk(root: Path, ready_made: bool) -> Iterator[Found]:
    depth = 1 if ready_made else 0
    visited: set[tuple[int, int]] = set()

    links: list[tuple[str, ...]] = []

    def inside(parts: tuple[str, ...]) -> Iterator[Found]:
        folder = root.joinpath(*parts)
        own = parts[depth] if len(parts) == depth + 1 else ""  # the class whose folder this is
        try:
            identity, names = os.stat(folder), sorted(os.listdir(folder))
        except OSError as error:
            yield Found("/".join(parts) + "/", own, "", f"folder: cannot be read, {error.strerror}")
            return
        if (identity.st_dev, identity.st_ino) in visited:
            yield Found("/".join(parts) + "/", "", "", "folder: was seen already, through another link")
            return
        visited.add((identity.st_dev, identity.st_ino))
        if not names and own:
            yield Found("/".join(parts) + "/", own, "", "folder: empty")
        for name in names:
            here = (*parts, name)
            path, relative = folder / name, "/".join(here)
            is_folder = os.path.isdir(path)
            label = here[depth] if len(here) > depth + 1 else ""
            split = _SPLIT_FOLDERS[here[0].lower()] if ready_made and len(here) > depth + 1 else ""
            if name.startswith("."):
                yield Found(relative + "/" * is_folder, "", "", f"hidden {'folder' if is_folder else 'file'}")
            elif is_folder and os.path.islink(path):
                links.append(here)
            elif is_folder:
                yield from inside(here)
            elif name.lower() in _SYSTEM_FILES:
                yield Found(relative, "", "", "system file")
            else:
                yield Found(relative, label, split, "" if label else "not in a class folder")

    yield from inside(())
    for link in links:  # after all real folders, so that the link is the one that was seen already; grows meanwhile
        yield from inside(link)


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
    return item.path, item.label, split, state, reason, digest, size, header.format, header.width, header.height, mtime
