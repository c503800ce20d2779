"""A table of paths (CSV or Parquet) -> the files in it. Each row names one image: `path,label[,split][,group][,exclude]`.

Every value is text: a class called `01` or `NA` keeps its name. Paths start in the table's own folder (of a link: the folder
of the link), or in `data.root`; absolute paths must lead into it. `..` is resolved as text. A path may leave the root only
through a link inside it: links are the user's own work, as in an image folder, and a table cannot make any. If `a\\b.png`
does not exist but `a/b.png` does, that file is used; so is one whose name only encodes accents otherwise (NFC, NFD: macOS
writes the one, most others the other).

`exclude` (yes, y, true, 1, x) takes a row out, and so does `data.exclude`; its label and split may then be empty, and its file
may be missing. A class with only excluded rows is ignored. Other columns are ignored.
"""

import os
import posixpath
import stat
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Literal

from transfer.data.classes import require_unlike
from transfer.data.scan import Found
from transfer.data.sources import left_out
from transfer.data.sources.split_names import split_of
from transfer.data.sources.tables import reading
from transfer.errors import DataError, nearest
from transfer.system.spreadsheet import unescaped

_EXCLUDE = dict.fromkeys(("yes", "y", "true", "1", "x"), True) | dict.fromkeys(("", "no", "n", "false", "0"), False)


def require(path: Path, root: str | None) -> list[str]:
    """Check a table without reading its rows: the file, its columns, and the folder where its paths start.

    Returns:
        The names of its columns.

    Raises:
        DataError: if one of them is missing.
    """
    names = reading.columns(path)
    lacking = [name for name in ("path", "label") if _column(names, name) is None]
    if lacking:
        near = {name: nearest(name, names) for name in lacking}
        hint = "".join(f" Did you mean {found!r} for {name!r}?" for name, found in near.items() if found)
        raise DataError(
            f"The first row of a table holds the names of its columns, at least path and label. Missing: {', '.join(lacking)}.{hint} "
            f"Received {', '.join(repr(name) for name in names[:20])} in {str(path)!r}."
        )
    if not os.path.isdir(root_of(path, root)):
        raise DataError(f"The paths of a table start in an existing folder (data.root). Received {str(root_of(path, root))!r}.")
    return names


def root_of(path: Path, root: str | None) -> Path:
    """Return the folder where the paths of a table start: `root`, or the table's own folder."""
    return (Path(root) if root else path.parent).absolute()


def image_folders(path: Path) -> list[Path]:
    """Return the folders beside a table in which its images lie; none for a table that cannot be read, which `listing` reports."""
    reader = _Reader(path, root_of(path, None), True, ())
    firsts: set[str] = set()
    try:
        for _, (place,) in reading.rows(path, [_column(reading.columns(path), "path")]):
            firsts.update(meant.partition("/")[0] for meant in reader.inside(place) if meant and "/" in meant and "\0" not in meant)
    except DataError:
        pass
    return [reader.root / name for name in sorted(firsts)]


def listing(
    path: Path,
    root: str | None = None,
    group: str | None = None,
    missing_files: Literal["error", "skip"] = "error",
    exclude: Sequence[str] = (),
) -> tuple[list[Found], bool, Path]:
    """Return the files that a table lists, sorted by path: the order of its rows does not matter.

    Args:
        path: the table: .csv, .tsv or .parquet.
        root: where its paths start; None: the table's folder.
        group: name of the column with the groups, if there is one (`groups.column`).
        missing_files: whether rows whose files do not exist are an error, or skipped.
        exclude: patterns of files that are left out (`left_out.excluding`).

    Returns:
        The files, whether any row has a split, and the folder where the paths start (absolute).

    Raises:
        DataError: for the first row that cannot be used, with its number and the number of others.
    """
    names = require(path, root)
    columns = [*(_column(names, name) for name in ("path", "label", "split", "exclude")), group]
    reader = _Reader(path, root_of(path, root), missing_files == "skip", exclude)
    for number, cells in reading.rows(path, columns):
        reader.read(number, *cells)
    found = reader.finished()
    return found, any(item.split for item in found), reader.root


def _column(names: Sequence[str], wanted: str) -> str | None:
    """Return the column of this name, whatever its case; None if there is none."""
    return wanted if wanted in names else next((name for name in names if name.casefold() == wanted.casefold()), None)


@lru_cache
def _word(value: str) -> str:
    return value.strip().casefold()


class _Reader:
    """Collects the rows of one table and what is wrong with them."""

    def __init__(self, table: Path, root: Path, skip_missing: bool, exclude: Sequence[str]) -> None:
        self.table, self.root, self.skip_missing = table, root, skip_missing
        self.found: list[Found] = []
        self.rows: dict[str, int] = {}  # path -> its row
        self.labels: dict[str, int] = {}  # label of an image -> its first row
        # Only the first row of each kind of problem, so that a million bad rows take no memory.
        self.problems: dict[str, tuple[int, str, str]] = {}
        self.counts: Counter[str] = Counter()
        self.plain = cache(partial(reading.plain, table))  # a million rows share a few labels: one object for each
        self.excluding = left_out.excluding(exclude)
        self.composed = lru_cache(256)(_composed)  # names of folders that were looked through
        own = os.fspath(root)
        self.starts = tuple(dict.fromkeys(start.rstrip("/") + "/" for start in (own, os.path.realpath(own))))

    def read(self, number: int, path: str, label: str, split: str, exclude: str, group: str) -> None:
        """Check one row and keep it."""
        excluded = _EXCLUDE.get(_word(exclude))
        if excluded is None:
            self._wrong(number, "the column exclude holds yes or nothing", exclude)
            return
        pattern = self.excluding(self._relative(path) or "")
        place, missing = self._place(number, path, excluded or bool(pattern) or self.skip_missing)
        if not place:
            return
        if self.rows.setdefault(place, number) != number:
            self._wrong(number, f"the file is listed already, in row {self.rows[place]}", path)
            return
        label, group = self.plain(label), self.plain(group)
        reason = (
            f"excluded in {self.table.name}" if excluded else left_out.reason(pattern) if pattern else "missing file" if missing else ""
        )
        named = split_of(split)
        if not (excluded or pattern):
            if not label.strip():
                self._wrong(number, "the label is empty", path)
            elif split.strip() and not named:
                self._wrong(number, "a split is train, validation, test, or empty", split)
            elif "\0" in label + group:
                self._wrong(number, "a label or group holds a NUL byte", label + group)
            self.labels.setdefault(label, number)
        self.found.append(Found(place, label, "" if reason else named, reason, group))

    def _wrong(self, row: int, rule: str, received: str) -> None:
        """Note that a row breaks a rule; rules with the same words before a comma are of one kind."""
        kind = rule.split(",")[0]
        self.problems.setdefault(kind, (row, rule, received))
        self.counts[kind] += 1

    def finished(self) -> list[Found]:
        """Return the files, sorted by path.

        Raises:
            DataError: if any row was wrong, with the first one.
        """
        for kind, (row, rule, received) in self.problems.items():
            others = self.counts[kind] - 1
            more = f" The same holds for {others:,} other row{'' if others == 1 else 's'}." if others else ""
            place = (
                f" Paths start in {str(self.root)!r} (data.root)." if kind.startswith(("the file does not", "the path leads out")) else ""
            )
            raise DataError(f"Row {row} of the table {str(self.table)!r}: {rule}.{more}{place} Received {received!r}.")
        if not self.found:
            raise DataError(f"The table has no rows below the names of its columns. Received {str(self.table)!r}.")
        require_unlike({label: f"row {row}" for label, row in self.labels.items()}, str(self.table))
        listed = [item if item.label in self.labels else Found(item.path, "", "", item.reason, item.group) for item in self.found]
        return sorted(listed, key=lambda item: os.fsencode(item.path))

    def _place(self, number: int, path: str, may_be_missing: bool) -> tuple[str, bool]:
        """Return the path relative to the root and whether the file is missing; an empty path if the row is wrong."""
        if not path or "\0" in path:
            self._wrong(number, "the path holds a NUL byte" if path else "the path is empty", path)
            return "", False
        places = self.inside(path)
        for place in chain(places, (self._encoded_otherwise(place) for place in places if place and not place.isascii())):
            try:
                if place and not stat.S_ISDIR(os.stat(self.starts[0] + place).st_mode):
                    return place, False
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if place and "too long" not in str(error.strerror):
                    return place, False  # the scan reports what is wrong with it
                continue
            if place:
                self._wrong(number, "the path is a folder, not an image", path)
                return "", False
        if None in places:
            self._wrong(number, "the path leads out of the folder where paths start", path)
        elif not may_be_missing:
            self._wrong(number, "the file does not exist (data.missing_files=skip skips such rows)", path)
        else:
            return str(places[0]), True
        return "", False

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

    def inside(self, path: str) -> list[str | None]:
        """Return the possible meanings of a path, relative to the root; None if one leads out of it."""
        meant = dict.fromkeys((path, unescaped(path), path.replace("\\", "/"))) if "\\" in path else [path]
        return [self._relative(one) for one in meant]

    def _relative(self, path: str) -> str | None:
        path = posixpath.normpath(path)
        if path.startswith("/"):
            start = next((start for start in self.starts if path.startswith(start)), None)
            return None if start is None else path[len(start) :]
        return None if path == ".." or path.startswith("../") else path


def _composed(folder: str) -> dict[str, str]:
    """Return the names in a folder whose characters could be encoded otherwise: composed (NFC) -> as it is."""
    try:
        return {unicodedata.normalize("NFC", name): name for name in sorted(os.listdir(folder)) if not name.isascii()}
    except OSError:
        return {}
