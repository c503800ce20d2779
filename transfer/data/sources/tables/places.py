"""The paths of a table -> files below the folder where they start; see `listing.py` for what a path may mean."""

import os
import posixpath
import stat
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from transfer.data.storage import RemotePath, Root, absolute, beside, is_url
from transfer.errors import DataError
from transfer.system.spreadsheet import unescaped

OUTSIDE = "the path leads out of the folder where paths start"
MISSING = "the file does not exist (data.missing_files=skip skips such rows)"
FOLDER = "the path is a folder, not an image"

Found = tuple[str, str]
"""A path relative to the root, and what is wrong with it: `OUTSIDE`, `MISSING`, `FOLDER`; empty: nothing."""


class Places:
    """The files below a folder.

    Args:
        root: the folder.
        starts: how absolute paths into it begin.

    Attributes:
        identities: of the objects that were found, path -> identity, as the scan wants it.
    """

    def __init__(self, root: Root, starts: Sequence[str]) -> None:
        self.root, self.identities = root, dict[str, tuple[int, int, int, int]]()
        self.starts = tuple(dict.fromkeys(start.rstrip("/") + "/" for start in starts))

    def find(self, path: str) -> Found:
        """Return the file that a path means."""
        places = self.inside(path)
        return self._existing(places) or (("", OUTSIDE) if None in places else (str(places[0]), MISSING))

    def _existing(self, places: Sequence[str | None]) -> Found | None:
        """Return the first of some paths that exists."""
        raise NotImplementedError

    def inside(self, path: str) -> list[str | None]:
        """Return the possible meanings of a path, relative to the root; None if one leads out of it."""
        meant = dict.fromkeys((path, unescaped(path), path.replace("\\", "/"))) if "\\" in path else [path]
        return [self.relative(one) for one in meant]

    def relative(self, path: str) -> str | None:
        """Return a path relative to the root; None if it leads out of it."""
        if is_url(path):
            path = absolute(path)
            if not path.startswith("/"):
                return path.removeprefix(self.starts[0]) if path.startswith(self.starts[0]) else None
        path = posixpath.normpath(path)
        if path.startswith("/"):
            start = next((start for start in self.starts if path.startswith(start)), None)
            return None if start is None else path[len(start) :]
        return None if path == ".." or path.startswith("../") else path


class LocalPlaces(Places):
    """The files below a local folder."""

    def __init__(self, root: Root) -> None:
        super().__init__(root, [os.fspath(root), os.path.realpath(root)])
        self.composed = lru_cache(256)(_composed)  # names of folders that were looked through

    def _existing(self, places: Sequence[str | None]) -> Found | None:
        for place in chain(places, (self._encoded_otherwise(place) for place in places if place and not place.isascii())):
            try:
                if place and not stat.S_ISDIR(os.stat(self.starts[0] + place).st_mode):
                    return place, ""
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if place and "too long" not in str(error.strerror):
                    return place, ""  # the scan reports what is wrong with it
                continue
            if place:
                return "", FOLDER
        return None

    def _encoded_otherwise(self, place: str) -> str:
        """Return the path of the file whose name differs only in how its characters are encoded; empty: there is none."""
        parts: list[str] = []
        for part in place.split("/"):
            folder = self.starts[0] + "/".join(parts)
            exact = part.isascii() or os.path.lexists(os.path.join(folder, part))  # noqa: PTH118
            parts.append(part if exact else self.composed(folder).get(unicodedata.normalize("NFC", part), ""))
            if not parts[-1]:
                return ""
        return "/".join(parts)


class RemotePlaces(Places):
    """The objects below a folder of object storage: each folder is listed once, so that there is no request for each object."""

    def __init__(self, root: RemotePath) -> None:
        super().__init__(root, [os.fspath(root)])
        self.objects = lru_cache(256)(_objects)  # of folders that were listed

    def _existing(self, places: Sequence[str | None]) -> Found | None:
        for place in filter(None, places):
            folder, _, name = place.rpartition("/")
            listed = self.objects(self.root / folder if folder else self.root)
            if name in listed:
                self.identities[place] = listed[name]
                return place, ""
            if name + "/" in listed:
                return "", FOLDER
        return None


def of(root: Root) -> Places:
    """Return the files below a folder, local or remote."""
    return RemotePlaces(root) if isinstance(root, RemotePath) else LocalPlaces(root)


def _objects(folder: RemotePath) -> dict[str, tuple[int, int, int, int]]:
    """Return the names in a folder of object storage, those of folders with `/`, and their identities."""
    try:
        return dict(beside(folder))
    except OSError as error:
        raise DataError(f"A folder of the table's images cannot be listed: {error.strerror}. Received {str(folder)!r}.") from None


def _composed(folder: str) -> dict[str, str]:
    """Return the names in a folder whose characters could be encoded otherwise: composed (NFC) -> as it is."""
    try:
        return {unicodedata.normalize("NFC", name): name for name in sorted(os.listdir(folder)) if not name.isascii()}
    except OSError:
        return {}
