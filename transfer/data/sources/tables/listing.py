"""A table of paths (CSV or Parquet) -> the files in it. Each row names one image: `path,label[,split][,group][,exclude]`.

Every value is text: a class called `01` or `NA` stays what it is. Paths start in the table's own folder (for a link: in the
folder of the link), or in `data.root`; absolute ones may stand there as long as they lead into it. `..` is resolved as
text. A path may leave the root only through a link that lies inside it: the links are the user's own work, as they are in
an image folder, and a table cannot make any. Where `a\\b.png` does not exist but `a/b.png` does, that is meant.

`exclude` (yes, y, true, 1, x) takes a row out; its label and split may then be empty, and its file may be missing. A class
of which nothing but excluded rows is left is no class. Columns of other names are ignored.
"""

import os
import posixpath
import stat
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from transfer.data.scan import Found
from transfer.data.sources.folder import SPLIT_NAMES
from transfer.data.sources.tables import reading
from transfer.data.sources.tables.spreadsheet import unescaped
from transfer.errors import DataError, nearest

_YES, _NO = ("yes", "y", "true", "1", "x"), ("", "no", "n", "false", "0")
_EXCLUDE = dict.fromkeys(_YES, "yes") | dict.fromkeys(_NO, "")
_SPLITS = {**SPLIT_NAMES, "": ""}


def require(path: Path, root: str | None) -> list[str]:
    """Check what can be seen of a table at once: the file, its columns, and the folder where its paths start.

    Returns:
        The names of its columns.

    Raises:
        DataError: where one of them is missing.
    """
    names = reading.columns(path)
    lacking = [name for name in ("path", "label") if _column(names, name) is None]
    if lacking:
        near = {name: nearest(name, names) for name in lacking}
        hint = "".join(f" Did you mean {found!r} for {name!r}?" for name, found in near.items() if found)
        raise DataError(
            f"The first row of a table names its columns, at least path and label. Missing: {', '.join(lacking)}.{hint} "
            f"Received {', '.join(repr(name) for name in names[:20])} in {str(path)!r}."
        )
    if not os.path.isdir(root_of(path, root)):
        raise DataError(f"The paths of a table start in an existing folder (data.root). Received {str(root_of(path, root))!r}.")
    return names


def root_of(path: Path, root: str | None) -> Path:
    """Return the folder where the paths of a table start: `root`, or the table's own folder."""
    return (Path(root) if root else path.parent).absolute()


def listing(
    path: Path, root: str | None = None, group: str | None = None, missing_files: Literal["error", "skip"] = "error"
) -> tuple[list[Found], bool, Path]:
    """Return the files that a table lists, sorted by path, so that the order of its rows does not matter.

    Args:
        path: the table: .csv, .tsv or .parquet.
        root: where its paths start; none: in the table's folder.
        group: name of the column that says which images belong together, if one does (`groups.column`).
        missing_files: whether rows whose files do not exist are an error, or skipped.

    Returns:
        The files, whether any row names a split, and the folder where the paths start (absolute).

    Raises:
        DataError: for the first of the rows that cannot be used, with its number, and how many others there are.
    """
    names = require(path, root)
    columns = [*(_column(names, name) for name in ("path", "label", "split", "exclude")), group]
    reader = _Reader(path, root_of(path, root), missing_files == "skip")
    for number, cells in reading.rows(path, columns):
        reader.read(number, *cells)
    found = reader.finished()
    return found, any(item.split for item in found), reader.root


def _column(names: Sequence[str], wanted: str) -> str | None:
    """Return the column of this name, whether or not its letters are capital; None where there is none."""
    return wanted if wanted in names else next((name for name in names if name.casefold() == wanted.casefold()), None)


class _Reader:
    """Takes the rows of one table and keeps what they list and what is wrong with them."""

    def __init__(self, table: Path, root: Path, skip_missing: bool) -> None:
        self.table, self.root, self.skip_missing = table, root, skip_missing
        self.found: list[Found] = []
        self.problems = Problems(table, root)
        self.rows: dict[str, int] = {}  # path -> its row
        self.labels: dict[str, int] = {}  # label of an image -> its first row
        self.known: dict[str, str] = {}  # labels and groups, each kept once
        own = os.fspath(root)
        self.starts = tuple(dict.fromkeys(start.rstrip("/") + "/" for start in (own, os.path.realpath(own))))
        self.start = self.starts[0]

    def read(self, number: int, path: str, label: str, split: str, exclude: str, group: str) -> None:
        """Check one row and keep it."""
        excluded = choice(exclude, _EXCLUDE)
        if excluded is None:
            self.problems.add(number, "in the column exclude stands yes or nothing", exclude)
            return
        place, missing = self._place(number, path, bool(excluded) or self.skip_missing)
        if not place:
            return
        if self.rows.setdefault(place, number) != number:
            self.problems.add(number, f"the file is listed already, in row {self.rows[place]}", path)
            return
        label, group = self._kept(label), self._kept(group)
        reason = f"excluded in {self.table.name}" if excluded else "missing file" if missing else ""
        named = choice(split, _SPLITS)
        if not excluded:
            if not label.strip():
                self.problems.add(number, "the label is empty", path)
            elif named is None:
                self.problems.add(number, "a split is train, validation, test, or empty", split)
            elif "\0" in label + group:
                self.problems.add(number, "a label or group holds a NUL byte", label + group)
            self.labels.setdefault(label, number)
        self.found.append(Found(place, label, "" if reason else named or "", reason, group))

    def finished(self) -> list[Found]:
        """Return what was found; raise where anything was wrong."""
        self.problems.raise_first()
        if not self.found:
            raise DataError(f"The table has no rows below the names of its columns. Received {str(self.table)!r}.")
        clashes = alike(self.labels)
        if clashes:
            one, other = clashes[0]
            more = f" So do {len(clashes) - 1} other pairs." if len(clashes) > 1 else ""
            raise DataError(
                f"Two labels differ by case or white space only; write them the same way. Received {one!r} in row {self.labels[one]} "
                f"and {other!r} in row {self.labels[other]} of {str(self.table)!r}.{more}"
            )
        listed = [item if item.label in self.labels else Found(item.path, "", "", item.reason, item.group) for item in self.found]
        return sorted(listed, key=lambda item: os.fsencode(item.path))

    def _kept(self, value: str) -> str:
        """Return the text of a cell, the same object for the same text: a million rows share a few labels."""
        kept = self.known.get(value)
        if kept is None:
            kept = self.known[value] = reading.plain(self.table, value)
        return kept

    def _place(self, number: int, path: str, may_be_missing: bool) -> tuple[str, bool]:
        """Return the path relative to the root and whether the file is missing; an empty path where the row is wrong."""
        if not path or "\0" in path:
            self.problems.add(number, "the path holds a NUL byte" if path else "the path is empty", path)
            return "", False
        places = self._inside(path)
        for place in places:
            try:
                if place and not stat.S_ISDIR(os.stat(self.start + place).st_mode):
                    return place, False
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if place and "too long" not in str(error.strerror):
                    return place, False  # the scan says what is wrong with it
                continue
            if place:
                self.problems.add(number, "the path is a folder, not an image", path)
                return "", False
        if None in places:
            self.problems.add(number, "the path leads out of the folder where paths start", path)
        elif not may_be_missing:
            self.problems.add(number, "the file does not exist (data.missing_files=skip passes over such rows)", path)
        else:
            return str(places[0]), True
        return "", False

    def _inside(self, path: str) -> list[str | None]:
        """Return what a path may mean, relative to the root; None where it leads out of it."""
        meant = dict.fromkeys((path, unescaped(path), path.replace("\\", "/"))) if "\\" in path else [path]
        return [self._relative(one) for one in meant]

    def _relative(self, path: str) -> str | None:
        path = posixpath.normpath(path)
        if path.startswith("/"):
            start = next((start for start in self.starts if path.startswith(start)), None)
            return None if start is None else path[len(start) :]
        return None if path == ".." or path.startswith("../") else path


class Problems:
    """Counts what is wrong; keeps the first row of each kind only, so that a million bad rows take no memory."""

    def __init__(self, table: Path, root: Path) -> None:
        self._table, self._root = table, root
        self._first: dict[str, tuple[int, str, str]] = {}
        self._count: dict[str, int] = {}

    def add(self, row: int, rule: str, received: str) -> None:
        """Note that a row breaks a rule; rules with the same words before a comma are of one kind."""
        kind = rule.split(",")[0]
        self._first.setdefault(kind, (row, rule, received))
        self._count[kind] = self._count.get(kind, 0) + 1

    def raise_first(self) -> None:
        """Raise a DataError for the kind that came first, if there is any."""
        for kind, (row, rule, received) in self._first.items():
            others = self._count[kind] - 1
            more = f" The same holds for {others:,} other row{'' if others == 1 else 's'}." if others else ""
            place = f" Paths start in {str(self._root)!r} (data.root)." if "file does not" in kind or "leads out" in kind else ""
            raise DataError(f"Row {row} of the table {str(self._table)!r}: {rule}.{more}{place} Received {received!r}.")


def choice(value: str, names: Mapping[str, str]) -> str | None:
    """Return what a word of a fixed list means, whatever its case and the white space around it; None where it is not in it."""
    meaning = names.get(value)
    return names.get(value.strip().casefold()) if meaning is None else meaning


def alike(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of labels that look the same: only case, white space or the coding of accents differ."""
    first: dict[str, str] = {}
    pairs = []
    for label in labels:
        key = "".join(unicodedata.normalize("NFC", label).casefold().split())
        other = first.setdefault(key, label)
        if other != label:
            pairs.append((other, label))
    return pairs
