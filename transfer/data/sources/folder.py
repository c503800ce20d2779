"""An image folder -> the files in it: every one, with the reason if it is skipped."""

import os
from collections.abc import Sequence
from pathlib import Path

from transfer.config import DataConfig
from transfer.data.scan import Found
from transfer.data.sources import bucket, left_out
from transfer.data.sources import folder_classes as classes
from transfer.data.sources.folder_classes import Listed
from transfer.data.storage import RemotePath, Root
from transfer.errors import DataError
from transfer.system.progress import Progress


def listing(root: Root, config: DataConfig, progress: Progress) -> tuple[list[Found], bool]:
    """Return every file of `root/<class>/**/<image>` or `root/<split>/<class>/**/<image>`, sorted by path.

    Args:
        root: the folder; a local one, or one of object storage.
        config: its files that are left out, and the folders of its splits.
        progress: is told what the folders are taken for, where their names leave a choice.

    Returns:
        The files, and whether the folder itself is divided into splits.

    Raises:
        DataError: if the folder is missing, a file, or empty, or its layout is not clear (`layout.py`).
    """
    require(root)
    if isinstance(root, RemotePath):
        listed, identities = bucket.walk(root, config.exclude, progress)
        found, has_splits = classes.found(root, listed, config, progress)
        return [item._replace(identity=identities.get(item.path)) for item in found], has_splits
    return classes.found(root, _walk(root, config.exclude, progress), config, progress)


def require(root: Root) -> None:
    """Check that a data folder exists and can be read.

    Raises:
        DataError: if not.
    """
    if isinstance(root, RemotePath):
        bucket.require_folder(root)
    else:
        require_folder(root)


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
            "DATA must be a folder with one sub-folder for each class, a table (.csv, .tsv, .parquet), a .zip or .tar, or tfds:NAME, "
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
    left_out.tell_unused(unused, (path for path, _, _ in listed), progress)
    return listed


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself
