"""An image folder -> the files in it: every one, with the reason if it is skipped."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from transfer.config import DataConfig
from transfer.data.classes import require_unlike
from transfer.data.dataset import SPLITS
from transfer.data.decoding.examination import named_as_image
from transfer.data.reading import read_all
from transfer.data.scan import Found
from transfer.data.sources import layout as layouts
from transfer.data.sources import left_out
from transfer.data.sources.layout import Folders, Layout
from transfer.errors import DataError, nearest
from transfer.system.progress import Progress

_PLAIN = frozenset(("train", "val", "validation", "test"))  # names of splits that need no explanation
_TRIED = 20  # files of a folder without sub-folders that are read, to say whether they are images

Listed = tuple[str, str, str]
"""A path from the data folder (of a folder: with `/` at the end), why it is skipped, and the folder that it lies in or is.

A plain tuple: a million files are common, and a class would double the time of listing them.
"""


def listing(root: Path, config: DataConfig, progress: Progress) -> tuple[list[Found], bool]:
    """Return every file of `root/<class>/**/<image>` or `root/<split>/<class>/**/<image>`, sorted by path.

    Args:
        root: the folder.
        config: its files that are left out, and the folders of its splits.
        progress: is told what the folders are taken for, where their names leave a choice.

    Returns:
        The files, and whether the folder itself is divided into splits.

    Raises:
        DataError: if the folder is missing, a file, or empty, or its layout is not clear (`layout.py`).
    """
    require_folder(root)
    listed = _walk(root, config.exclude, progress)
    if not listed:
        raise DataError(f"The folder is empty. Expected DATA/<class>/<image>. Received {str(root)!r}.")
    folders = _folders(listed)
    if not folders.names() and not folders.unread:
        _require_sub_folders(root, listed, config)
    layout = layouts.of(folders, config.split_folders, str(root))
    if layout.left_out:
        layout = replace(layout, left_out=_images_in(listed, layout.left_out))
    found = _found(listed, layout)
    first: dict[str, str] = {}
    for item in found:
        if item.label and item.label not in first:
            first[item.label] = item.path
    require_unlike({label: f"the folder {_class_folder(path, layout)!r}" for label, path in first.items()}, str(root))
    if all(item.path.isascii() for item in found):
        found.sort()
    else:
        found.sort(key=lambda item: os.fsencode(item.path))  # by bytes: the names may not be Unicode
    _tell(layout, config, progress)
    return found, bool(layout.splits)


def require_folder(folder: Path) -> None:
    """Check that the data folder exists and can be read.

    Raises:
        DataError: if not.
    """
    if not os.path.exists(folder):  # noqa: PTH110  (the method of Path raises for some names)
        raise DataError(f"The data folder does not exist. Expected a folder with one sub-folder for each class. Received {str(folder)!r}.")
    if not os.path.isdir(folder):
        spreadsheet = " Save the spreadsheet as CSV (UTF-8)." if folder.suffix.lower() in (".xlsx", ".xls", ".ods") else ""
        raise DataError(
            "DATA must be a folder with one sub-folder for each class, a table (.csv, .tsv, .parquet), or tfds:NAME, "
            f"not a file of another kind.{spreadsheet} Received {str(folder)!r}."
        )
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise DataError(f"The data folder cannot be read: {error.strerror}. Received {str(folder)!r}.") from None


def _walk(root: Path, exclude: Sequence[str], progress: Progress) -> list[Listed]:
    """List all files, and the folders that are empty, cannot be read, or are not searched."""
    listed: list[Listed] = []
    visited: set[tuple[int, int]] = set()
    links: list[str] = []
    excluded, unused = left_out.excluding(exclude), dict.fromkeys(exclude)

    def inside(start: str, why: str) -> None:
        """List a folder; `why`: the reason for which all of it is skipped."""
        here = start[:-1]
        try:
            identity = os.stat(root / start)
            with os.scandir(root / start) as entries:
                inner = sorted([(entry.name, _is_folder(entry), entry.is_symlink()) for entry in entries])
        except OSError as error:
            listed.append((start, why or f"folder: cannot be read, {error.strerror}", here))
            return
        if (identity.st_dev, identity.st_ino) in visited:
            listed.append((start, why or "folder: listed already, through another link", here))
            return
        visited.add((identity.st_dev, identity.st_ino))
        if not inner and start:
            listed.append((start, why or "folder: empty", here))
        for name, is_folder, is_link in inner:
            path = start + name + "/" * is_folder
            reason = why
            if exclude and not reason and (pattern := excluded(path)):
                unused.pop(pattern, None)
                reason = left_out.reason(pattern)
            own = left_out.by_name(name, is_folder)
            reason = reason or own
            if is_folder and is_link and not reason:
                links.append(path)
            elif is_folder and not is_link and not own.startswith("hidden"):
                inside(path, reason)
            else:
                listed.append((path, reason, path[:-1] if is_folder else here))

    inside("", "")
    for link in links:  # after all real folders, so that a link never hides one; grows meanwhile
        inside(link, "")
    for pattern in unused:
        near = nearest(pattern, {part for path, _, _ in listed for part in path.split("/")[:2] if part})
        progress.say(f"data.exclude: {pattern!r} matches nothing.{f' Did you mean {near!r}?' if near else ''}")
    return listed


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself


def _folders(listed: Sequence[Listed]) -> Folders:
    """Return the folders that may hold data, with the number of files in those that hold images, as far as the names of files tell."""
    files = Counter([folder for _, reason, folder in listed if not reason])
    with_images: set[str] = set()
    for path, reason, folder in listed:
        if not reason and folder not in with_images and named_as_image(path):
            with_images.add(folder)
    own = [folder for _, reason, folder in listed if reason and reason.startswith("folder:")]
    unread = [folder for _, reason, folder in listed if reason and reason.startswith("folder: cannot")]
    counts = {folder: files[folder] for folder in with_images} or files
    return Folders({**dict.fromkeys([*files, *own], 0), **counts}, unread)


def _images_in(listed: Sequence[Listed], tops: Iterable[str]) -> dict[str, int]:
    """Return the number of files in each of these folders at the top that are images by their names."""
    counts = dict.fromkeys(tops, 0)
    for path, reason, _ in listed:
        top = path.partition("/")[0]
        if not reason and top in counts:
            counts[top] += named_as_image(path)
    return counts


def _found(listed: Sequence[Listed], layout: Layout) -> list[Found]:
    """Return the listed files with their class and split, or why they have none."""

    @cache
    def files_in(folder: str) -> tuple[str, str, str]:
        """Return class, split and reason of the files that lie directly in a folder."""
        parts = folder.split("/") if folder else []
        place, split, depth = layout.place(f"{folder}/")
        if len(parts) > depth and (place or not layout.splits):
            return parts[depth], split, ""
        is_beside = bool(parts) and parts[0] in layout.left_out
        if place or (len(parts) < 2 and not is_beside):
            return "", "", "not in a class folder"
        return "", "", f"folder left out: {parts[0] if is_beside else '/'.join(parts[:2])} is not train, validation or test"

    def folder_row(path: str, reason: str) -> Found:
        """Return the row of a folder without files that can be read; a class folder is a class none the less."""
        label, _, _ = files_in(path.rstrip("/"))
        is_class = label and _class_folder(path, layout) == path.rstrip("/") and not reason.startswith("folder: listed")
        return Found(path, label if is_class else "", "", reason)

    found = []
    for path, reason, folder in listed:
        if not reason:
            found.append(Found(path, *files_in(folder)))
        elif not reason.startswith("folder:"):
            found.append(Found(path, "", "", reason))
        elif (item := folder_row(path, reason)).label or reason != "folder: empty":
            found.append(item)
    return found


def _class_folder(path: str, layout: Layout) -> str:
    return "/".join(path.split("/")[: layout.place(path)[2] + 1])


def _require_sub_folders(root: Path, listed: Sequence[Listed], config: DataConfig) -> None:
    """Refuse images that lie in no sub-folder, and say that they can be read, so nothing is wrong with them.

    Raises:
        DataError: if any file is an image.
    """
    files = [path for path, reason, folder in listed if not reason and not folder]
    tried = read_all(root, sorted(files, key=lambda path: not named_as_image(path))[:_TRIED], config.max_megapixels, None)
    readable = sum(not read.verdict.reason for read in tried)
    if not readable:
        return  # the message on what was skipped, and why, says more
    raise DataError(
        "The images lie in the folder itself, so they have no classes. Expected DATA/<class>/<image>: one sub-folder for each class; or a "
        f"table (.csv) with the columns path,label. The images themselves can be read ({readable} of the first {len(tried)} files). "
        f"Received {len(files):,} files in {str(root)!r}."
    )


def _tell(layout: Layout, config: DataConfig, progress: Progress) -> None:
    """Say which folders are taken for splits, and which are left out."""
    if config.split_folders == "auto" and set(layout.splits) - _PLAIN:
        ordered = [(split, folder) for split in SPLITS for folder, its in layout.splits.items() if its == split]
        progress.say(f"Splits, by the names of the folders: {', '.join(f'{split} = {folder}' for split, folder in ordered)}.")
    if layout.left_out:
        files = ", ".join(f"{name} ({count:,} image{'' if count == 1 else 's'})" for name, count in layout.left_out.items())
        classes = "" if config.split_folders != "auto" else f" (if all folders are classes: {layouts.OFF})"
        progress.say(f"Folders left out because they are not train, validation or test: {files}{classes}.")
