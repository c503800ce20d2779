"""Where the table of a prediction goes: a file, or a folder of Parquet files. It appears whole or not at all."""

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from transfer.errors import OutputError
from transfer.serving.batch.tables import FOLDER
from transfer.system.files import clear_up, publish_folder, require_place

ENDINGS = (".csv", ".parquet")

_LONGEST = 150  # bytes of the output's name used in the hidden folder's name; file names may have 255
_OURS = re.compile(r"part-\d{6,}\.parquet")


@dataclass(frozen=True)
class Output:
    """A table to be written.

    Attributes:
        name: as the user wrote it.
        kind: `.csv`, `.parquet`, or `tables.FOLDER` for a folder of Parquet files.
        place: its path.
    """

    name: str
    kind: str
    place: Path

    @classmethod
    def of(cls, name: str | os.PathLike[str]) -> Self:
        """Return the output of a name. Only one that ends in / is a folder: an ending that was forgotten should not make one.

        Raises:
            OutputError: if it names no table.
        """
        text = os.fspath(name)
        kind = FOLDER if text.endswith("/") else Path(text).suffix.lower()
        if kind not in (*ENDINGS, FOLDER) or (kind == FOLDER and Path(text).name in ("", "..")):
            raise OutputError(
                f"--output is a table. Expected a name that ends in {' or '.join(ENDINGS)}, or in / for a folder of Parquet files. "
                f"Received {text!r}."
            )
        return cls(text, kind, Path(text))

    @property
    def hidden(self) -> Path:
        """The folder of answers until the table is complete."""
        name = os.fsencode(self.place.name)
        if len(name) > _LONGEST:
            name = name[: _LONGEST - 17] + b"-" + hashlib.sha256(name).hexdigest()[:16].encode()
        return self.place.with_name(f".{os.fsdecode(name)}.unfinished")

    def require_free(self, overwrite: bool, protected: Iterable[Path] = ()) -> None:
        """Check that the table would replace nothing unintended; see `require_place`."""
        if self.kind == FOLDER:
            expected = "another name, an empty folder, or --overwrite to replace a folder that holds nothing but an earlier table"
            if overwrite:
                expected = "a folder that holds nothing but an earlier table"
            require_place(self.place, protected, replaces=lambda place: _is_earlier(place, overwrite), expected=expected)
        else:
            expected = "the name of a file" if overwrite else "another name, or --overwrite to replace a file"
            require_place(self.place, protected, replaces=Path.is_file if overwrite else None, expected=expected)

    def publish(self, table: Path) -> None:
        """Move a finished table to its place."""
        for path in sorted(table.iterdir()) if self.kind == FOLDER else [table]:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        if self.kind == FOLDER:
            clear_up(self.place.absolute().parent)  # what a process that was killed at this very point has moved aside
            publish_folder(table, self.place)
        else:
            os.replace(table, self.place)


def _is_earlier(folder: Path, overwrite: bool) -> bool:
    """Return whether a folder may be replaced: it is empty, or holds an earlier table that may be."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    names = os.listdir(folder)
    return not names or (overwrite and all(map(_OURS.fullmatch, names)))
