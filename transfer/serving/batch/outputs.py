"""Where the table of a prediction goes: a file, or a folder of Parquet files, on the disk or in object storage.

A file, an object and a folder appear whole or not at all. In object storage a folder is a common beginning of names: its objects appear
one by one, and `_SUCCESS` last, as Spark writes it; it is the first to go where a table is replaced.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from transfer.data import storage
from transfer.data.storage import RemotePath, Root
from transfer.errors import OutputError
from transfer.serving.batch.tables import FOLDER
from transfer.system.files import clear_up, publish_folder, require_place, write_text
from transfer.system.home import cache_home

ENDINGS = (".csv", ".parquet")
SUCCESS = "_SUCCESS"

_LONGEST = 150  # bytes of the output's name used in the hidden folder's name; file names may have 255
_PART = re.compile(r"part-\d{6,}\.parquet")
_BEGUN = "publishing"  # in the hidden folder: objects of this table may be there already


@dataclass(frozen=True)
class Output:
    """A table to be written.

    Attributes:
        name: as the user wrote it.
        kind: `.csv`, `.parquet`, or `tables.FOLDER` for a folder of Parquet files.
        place: its path, or URL.
    """

    name: str
    kind: str
    place: Root

    @classmethod
    def of(cls, name: str | os.PathLike[str]) -> Self:
        """Return the output of a name. Only one that ends in / is a folder: an ending that was forgotten should not make one.

        Raises:
            DataError: for a URL that cannot be read, or that holds credentials.
            OutputError: if it names no table.
        """
        text = os.fspath(name)
        kind = FOLDER if text.endswith("/") else Path(text).suffix.lower()
        place = storage.located(text)
        key = place.key if isinstance(place, RemotePath) else "" if place.name == ".." else place.name
        if kind not in (*ENDINGS, FOLDER) or not key:
            raise OutputError(
                f"--output is a table. Expected a name that ends in {' or '.join(ENDINGS)}, or in / for a folder of Parquet files. "
                f"Received {text!r}."
            )
        return cls(text, kind, place)

    @property
    def hidden(self) -> Path:
        """The folder of answers until the table is complete; for object storage it lies in the cache folder."""
        if isinstance(self.place, RemotePath):
            return cache_home() / "unfinished" / hashlib.sha256(f"{self.place}{self.kind}".encode()).hexdigest()[:16]
        name = os.fsencode(self.place.name)
        if len(name) > _LONGEST:
            name = name[: _LONGEST - 17] + b"-" + hashlib.sha256(name).hexdigest()[:16].encode()
        return self.place.with_name(f".{os.fsdecode(name)}.unfinished")

    def require_free(self, overwrite: bool, protected: Iterable[str | os.PathLike[str]] = ()) -> None:
        """Check that the table would replace nothing unintended, and is not written where images are read; see `require_place`.

        Raises:
            DataError: if object storage cannot be used.
            OutputError: if the place cannot be used.
        """
        folder = self.kind == FOLDER
        if folder:
            expected = "a folder that holds nothing but an earlier table"
            expected = expected if overwrite else f"another name, an empty folder, or --overwrite to replace {expected}"
        else:
            expected = "the name of a file" if overwrite else "another name, or --overwrite to replace a file"
        own = [storage.located(path) for path in protected]
        if isinstance(self.place, RemotePath):
            self._require_free_in_storage(self.place, overwrite, [path.url for path in own if isinstance(path, RemotePath)], expected)
            return
        paths = [path for path in own if isinstance(path, Path)]
        replaces = (lambda place: _is_earlier(place, overwrite)) if folder else Path.is_file if overwrite else None
        require_place(self.place, paths, replaces=replaces, expected=expected)

    def _require_free_in_storage(self, place: RemotePath, overwrite: bool, protected: Iterable[str], expected: str) -> None:
        for url in protected:
            if f"{place}/".startswith(f"{url}/"):
                raise OutputError(f"--output is inside {url!r}, where nothing is written. Choose another path. Received {self.name!r}.")
        try:
            if self.kind == FOLDER:
                may_be = overwrite or (self.hidden / _BEGUN).exists()
                taken = any(not (may_be and _is_ours(one.path)) for one in storage.below(place))
            else:
                next(storage.below(place.parent, first=True), None)  # whether there is such a bucket
                taken = not overwrite and bool(storage.identity_of(place))
        except (FileNotFoundError, PermissionError):  # who may write need not be allowed to look
            return
        except OSError as error:
            raise OutputError(f"--output cannot be looked at: {error.strerror}. Received {self.name!r}.") from None
        if taken:
            raise OutputError(f"--output already exists. Expected {expected}. Received {self.name!r}.")

    def publish(self, table: Path) -> None:
        """Move a finished table to its place.

        Raises:
            DataError, OutputError: if object storage cannot be written; the table can be published again.
        """
        parts = sorted(table.iterdir()) if self.kind == FOLDER else [table]
        if isinstance(self.place, RemotePath):
            self._upload(self.place, parts)
            return
        for path in parts:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        if self.kind == FOLDER:
            clear_up(self.place.absolute().parent)  # what a process that was killed at this very point has moved aside
            publish_folder(table, self.place)
        else:
            os.replace(table, self.place)

    def _upload(self, place: RemotePath, parts: Iterable[Path]) -> None:
        try:
            if self.kind != FOLDER:
                for part in parts:
                    storage.write_file(place, part)
                return
            write_text(self.hidden / _BEGUN, "")
            for name in _there(place):
                storage.delete(place / name)
            for part in parts:
                storage.write_file(place / part.name, part)
            storage.write_bytes(place / SUCCESS, b"")
        except OSError as error:
            raise OutputError(
                f"--output could not be written: {error.strerror}. The answers are kept: once it can be, run the same command again. "
                f"Received {self.name!r}."
            ) from None


def _there(place: RemotePath) -> Iterator[str]:
    """Yield the names of an earlier table's objects, the one that says that it is complete first."""
    try:
        names = [one.path for one in storage.below(place) if _is_ours(one.path)]
    except PermissionError:
        return
    yield from sorted(names, key=lambda name: name != SUCCESS)


def _is_ours(name: str) -> bool:
    return name == SUCCESS or _PART.fullmatch(name) is not None


def _is_earlier(folder: Path, overwrite: bool) -> bool:
    """Return whether a folder may be replaced: it is empty, or holds an earlier table that may be."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    names = os.listdir(folder)
    return not names or (overwrite and all(map(_is_ours, names)))
