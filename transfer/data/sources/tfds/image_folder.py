"""`tfds:ImageFolder`: ROOT/SPLIT/LABEL/IMAGE, its files where they lie. The rules of `tfds.folder_dataset.ImageFolder`."""

import os
from collections.abc import Iterator
from pathlib import Path

from transfer.data.scan import Found
from transfer.data.sources.tfds.task import Roles, roles_of
from transfer.errors import DataError

_ENDINGS = (".jpg", ".jpeg", ".png")  # those that ImageFolder reads
_ELSEWHERE = "not read by ImageFolder: expected SPLIT/LABEL/IMAGE.jpg, .jpeg or .png"


def listing(root: Path) -> tuple[list[Found], Roles]:
    """Return every file of the folder, sorted by path, and what its splits are for.

    What `ImageFolder` passes over, and the splits that are left out, are listed with that reason.

    Raises:
        DataError: where there is no such image, or the folder cannot be read.
    """
    try:
        walked = list(_walk(root, ()))
    except OSError as error:
        raise DataError(f"The folder of tfds:ImageFolder cannot be read: {error.strerror}. Received {error.filename!r}.") from None
    images = {parts for parts, is_folder in walked if _is_image(parts, is_folder)}
    if not images:
        raise DataError(f"tfds:ImageFolder expects ROOT/SPLIT/LABEL/IMAGE (.jpg, .jpeg or .png). Received {str(root)!r} without any.")
    roles = roles_of(sorted({parts[0] for parts in images}), str(root))
    found = [_found(parts, is_folder, parts in images, roles) for parts, is_folder in walked]
    return sorted(found, key=lambda item: os.fsencode(item.path)), roles


def _walk(root: Path, here: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield files, and folders that are not looked into, as the parts of their paths; no more than three levels deep."""
    for name in os.listdir(root.joinpath(*here)):
        parts = (*here, name)
        is_folder = os.path.isdir(root.joinpath(*parts))
        if is_folder and len(parts) < 3 and not name.startswith("."):
            yield from _walk(root, parts)
        else:
            yield parts, is_folder


def _is_image(parts: tuple[str, ...], is_folder: bool) -> bool:
    return len(parts) == 3 and not is_folder and not parts[2].startswith(".") and parts[2].lower().endswith(_ENDINGS)


def _found(parts: tuple[str, ...], is_folder: bool, is_image: bool, roles: Roles) -> Found:
    path = "/".join(parts) + "/" * is_folder
    if is_image and parts[0] in roles.splits:
        return Found(path, parts[1], roles.splits[parts[0]])
    if is_image:
        return Found(path, "", "", f"split left out: {parts[0]} is none of train, validation and test")
    if parts[-1].startswith("."):
        return Found(path, "", "", f"hidden {'folder' if is_folder else 'file'}")
    return Found(path, "", "", f"{'folder: ' if is_folder else ''}{_ELSEWHERE}")
