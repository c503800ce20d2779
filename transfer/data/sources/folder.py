"""An image folder -> the files in it: every one, with the reason if it is skipped."""

import os
from pathlib import Path

from transfer.data.scan import Found
from transfer.errors import DataError

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Common names of splits, in lower case -> the name used here."""

_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db"}


def listing(root: Path) -> tuple[list[Found], bool]:
    """Return every file of `root/<class>/**/<image>` or `root/train|val|test/<class>/**/<image>`, sorted by path.

    Returns:
        The files, and whether the folder itself is divided into splits.

    Raises:
        DataError: if the folder is missing, a file, or empty.
    """
    require_folder(root)
    ready_made = _has_split_folders(root)
    found = _walk(root, ready_made)
    if all(item.path.isascii() for item in found):
        found.sort()
    else:
        found.sort(key=lambda item: os.fsencode(item.path))  # by bytes: the names may not be Unicode
    if not found:
        raise DataError(f"The folder is empty. Expected DATA/<class>/<image>. Received {str(root)!r}.")
    return found, ready_made


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


def _folders(parent: Path) -> list[str]:
    try:
        names = os.listdir(parent)
    except OSError:
        return []  # the walk gives the reason
    return sorted(name for name in names if not name.startswith(".") and os.path.isdir(parent / name))


def _has_split_folders(root: Path) -> bool:
    """Whether all folders have names of splits, and the training folder holds class folders.

    The others need not: a test folder of unlabelled images is common, and is not a class.
    """
    names = _folders(root)
    splits = {name: SPLIT_NAMES.get(name.lower()) for name in names}
    training = [name for name, split in splits.items() if split == "train"]
    return len(names) > 1 and None not in splits.values() and bool(training) and all(_folders(root / name) for name in training)


def _walk(root: Path, ready_made: bool) -> list[Found]:
    depth = 1 if ready_made else 0
    found: list[Found] = []
    visited: set[tuple[int, int]] = set()
    links: list[tuple[str, ...]] = []

    def inside(parts: tuple[str, ...]) -> None:
        folder, start = root.joinpath(*parts), "".join(f"{part}/" for part in parts)
        own = parts[depth] if len(parts) == depth + 1 else ""  # the class of this folder itself
        try:
            identity = os.stat(folder)
            with os.scandir(folder) as entries:
                listed = sorted([(entry.name, _is_folder(entry), entry.is_symlink()) for entry in entries])
        except OSError as error:
            found.append(Found(start, own, "", f"folder: cannot be read, {error.strerror}"))
            return
        if (identity.st_dev, identity.st_ino) in visited:
            found.append(Found(start, "", "", "folder: listed already, through another link"))
            return
        visited.add((identity.st_dev, identity.st_ino))
        if not listed and own:
            found.append(Found(start, own, "", "folder: empty"))
        label = parts[depth] if len(parts) > depth else ""
        split = SPLIT_NAMES[parts[0].lower()] if ready_made and label else ""
        reason = "" if label else "not in a class folder"
        for name, is_folder, is_link in listed:
            if name.startswith("."):
                found.append(Found(start + name + "/" * is_folder, "", "", f"hidden {'folder' if is_folder else 'file'}"))
            elif is_folder and is_link:
                links.append((*parts, name))
            elif is_folder:
                inside((*parts, name))
            elif name.lower() in _SYSTEM_FILES:
                found.append(Found(start + name, "", "", "system file"))
            else:
                found.append(Found(start + name, label, split, reason))

    inside(())
    for link in links:  # after all real folders, so that a link never hides one; grows meanwhile
        inside(link)
    return found


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself
