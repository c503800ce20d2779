"""What lies in a folder -> the class and the split of each file, by the names of its folders; the same for local folders and buckets."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from transfer.config import DataConfig
from transfer.data.classes import require_unlike
from transfer.data.dataset import SPLITS
from transfer.data.decoding.examination import named_as_image
from transfer.data.reading import read_all
from transfer.data.scan import Found
from transfer.data.sources import layout as layouts
from transfer.data.sources.layout import Folders, Layout
from transfer.data.storage import Root
from transfer.errors import DataError
from transfer.system.progress import Progress

_PLAIN = frozenset(("train", "val", "validation", "test"))  # names of splits that need no explanation
_TRIED = 20  # files of a folder without sub-folders that are read, to say whether they are images

Listed = tuple[str, str, str]
"""A path from the data folder (of a folder: with `/` at the end), why it is skipped, and the folder that it lies in or is.

A plain tuple: a million files are common, and a class would double the time of listing them.
"""


def found(root: Root, listed: Sequence[Listed], config: DataConfig, progress: Progress) -> tuple[list[Found], bool]:
    """Return the files that were listed, sorted by path, and whether the folder is divided into splits; see `folder.listing`."""
    if not listed:
        raise DataError(f"The folder is empty. Expected DATA/<class>/<image>. Received {str(root)!r}.")
    folders = _folders(listed)
    if not folders.names() and not folders.unread:
        _require_sub_folders(root, listed, config)
    layout = layouts.of(folders, config.split_folders, str(root))
    if layout.left_out:
        layout = replace(layout, left_out=_images_in(listed, layout.left_out))
    files = _found(listed, layout)
    first: dict[str, str] = {}
    for item in files:
        if item.label and item.label not in first:
            first[item.label] = item.path
    require_unlike({label: f"the folder {_class_folder(path, layout)!r}" for label, path in first.items()}, str(root))
    if all(item.path.isascii() for item in files):
        files.sort()
    else:
        files.sort(key=lambda item: os.fsencode(item.path))  # by bytes: the names may not be Unicode
    _tell(layout, config, progress)
    return files, bool(layout.splits)


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


def _require_sub_folders(root: Root, listed: Sequence[Listed], config: DataConfig) -> None:
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
