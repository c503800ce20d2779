"""A folder of object storage, or of an archive -> the objects in it, as `folder.py` lists files: every one, with the reason if it
is skipped.

A bucket has no folders: they are the parts of the objects' names. An object whose name ends in `/`, as the provider's web page makes
for a new folder, is a folder.
"""

from collections.abc import Sequence
from functools import cache

from transfer.data.sources import left_out
from transfer.data.sources.folder_classes import Listed
from transfer.data.storage import RemotePath, below, identity_of
from transfer.errors import DataError
from transfer.system.progress import Progress, Silent

_NO_PATH = "not the name of a file: a part of it is empty, . or .."


def require_folder(folder: RemotePath) -> None:
    """Check, by one or two requests, that a folder can be listed and is not empty.

    Raises:
        DataError: if not, or if the storage cannot be used.
    """
    try:
        if next(below(folder, first=True), None) is not None:
            return
        if folder.key and not folder.in_archive:
            identity_of(folder)
    except PermissionError:
        raise DataError(
            f"The folder may not be listed: access denied. Expected the rights to list the bucket and to read its objects (on S3 "
            f"s3:ListBucket and s3:GetObject). Received {str(folder)!r}."
        ) from None
    except FileNotFoundError:
        raise DataError(f"The data folder does not exist: no object's name begins with it. Received {str(folder)!r}.") from None
    except OSError as error:
        raise DataError(f"The data folder cannot be read: {error.strerror}. Received {str(folder)!r}.") from None
    if folder.in_archive:
        raise DataError(f"The archive is empty. Expected <class>/<image> in it. Received {str(folder)!r}.")
    if folder.key:
        raise DataError(
            "DATA must be a folder with one sub-folder for each class, a table (.csv, .tsv, .parquet), a .zip or .tar, or tfds:NAME, "
            f"not a file of another kind. Received {str(folder)!r}."
        )
    raise DataError(f"The bucket is empty. Expected DATA/<class>/<image>. Received {str(folder)!r}.")


def files(path: RemotePath) -> dict[str, tuple[int, int, int, int]]:
    """Return the URLs of the objects below a folder, sorted, except for hidden ones and what systems leave; or of one object, its own.

    With the identity of each, as the folder lists it.

    Raises:
        DataError: if there is none, or the storage cannot be used.
    """
    try:
        if next(below(path, first=True), None) is None:
            return {str(path): identity_of(path)}
        listed, identities = walk(path, (), Silent())
        return {f"{path}/{one}": identities[one] for one, reason, _ in listed if not reason}
    except OSError as error:
        why = f" ({error.strerror})" if not isinstance(error, FileNotFoundError) else ""
        raise DataError(f"There is no such image or folder{why}. Received {str(path)!r}.") from None


def walk(root: RemotePath, exclude: Sequence[str], progress: Progress) -> tuple[list[Listed], dict[str, tuple[int, int, int, int]]]:
    """List all objects below a folder, and the folders that are empty or not searched; and the identity of each object.

    Raises:
        DataError, OSError: if the storage cannot be used.
    """
    excluded, unused = left_out.excluding(exclude), dict.fromkeys(exclude)

    @cache
    def of_folder(path: str) -> tuple[str, str]:
        """Return why all of a folder is skipped, and the hidden folder that it is or lies in."""
        if not path:
            return "", ""
        above, _, name = path.rpartition("/")
        why, hidden = of_folder(above)
        if hidden:
            return why, hidden
        reason, own = reason_of(path + "/", name, True, why)
        return reason, path + "/" if own.startswith("hidden") else ""

    def reason_of(path: str, name: str, is_folder: bool, why: str) -> tuple[str, str]:
        if exclude and not why and (pattern := excluded(path)):
            unused.pop(pattern, None)
            why = left_out.reason(pattern)
        own = left_out.by_name(name, is_folder)
        return why or own, own

    listed: list[Listed] = []
    identities: dict[str, tuple[int, int, int, int]] = {}
    hidden_folders: dict[str, None] = {}
    folders: list[str] = []  # those that exist as objects
    with progress.step("Listing", None, "files") as advance:
        for path, identity in below(root):
            advance(1)
            parts = path.rstrip("/").split("/")
            if not all(part not in ("", ".", "..") and "\0" not in part for part in parts):
                listed.append((path, _NO_PATH, ""))
                continue
            folder = "/".join(parts if path.endswith("/") else parts[:-1])
            why, hidden = of_folder(folder)
            if hidden:
                if hidden not in hidden_folders:
                    hidden_folders[hidden] = None
                    listed.append((hidden, why, hidden[:-1]))
            elif path.endswith("/"):
                folders.append(path)
            else:
                listed.append((path, reason_of(path, parts[-1], False, why)[0], folder))
                identities[path] = identity
    filled = {"/".join(folder.split("/")[:depth]) for folder in {item[2] for item in listed} for depth in range(1, folder.count("/") + 2)}
    filled |= {folder.rstrip("/").rpartition("/")[0] for folder in folders}
    listed += [(folder, of_folder(folder[:-1])[0] or "folder: empty", folder[:-1]) for folder in folders if folder[:-1] not in filled]
    left_out.tell_unused(unused, (path for path, _, _ in listed), progress)
    return sorted(listed), identities
