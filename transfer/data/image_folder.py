"""An image folder -> the files in it. Lists every file it sees, with the reason where it is passed over."""

import os
from collections.abc import Iterator
from pathlib import Path

from transfer.data.scanning import Found
from transfer.errors import DataError

_SPLIT_FOLDERS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db"}


def listing(root: Path) -> tuple[list[Found], bool]:
    """Return every file of `root/<class>/**/<picture>` or `root/train|val|test/<class>/**/<picture>`, sorted by path.

    Returns:
        The files, and whether the folder itself says which of them is in which split.

    Raises:
        DataError: where the folder is missing, a file, or empty.
    """
    require_folder(root)
    ready_made = _has_split_folders(root)
    found = sorted(_walk(root, ready_made), key=lambda item: os.fsencode(item.path))
    if not found:
        raise DataError(f"The folder is empty. Expected DATA/<class>/<picture>. Received {str(root)!r}.")
    return found, ready_made


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
