"""A table of paths (CSV or Parquet) -> the files in it. Each row names one image: `path,label[,split][,group][,exclude]`.

Every value is text: a class called `01` or `NA` keeps its name. Paths start in the table's own folder (of a link: the folder
of the link), or in `data.root`; absolute paths must lead into it. `..` is resolved as text. A path may leave the root only
through a link inside it: links are the user's own work, as in an image folder, and a table cannot make any. If `a\\b.png`
does not exist but `a/b.png` does, that file is used; so is one whose name only encodes accents otherwise (NFC, NFD: macOS
writes the one, most others the other).

Where the first path is a URL (`s3://...`), all paths start in its bucket.

`exclude` (yes, y, true, 1, x) takes a row out, and so does `data.exclude`; its label and split may then be empty, and its file
may be missing. A class with only excluded rows is ignored. Other columns are ignored.
"""

import os
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Literal

from transfer.data.classes import require_unlike
from transfer.data.scan import Found
from transfer.data.sources import bucket, left_out
from transfer.data.sources.split_names import split_of
from transfer.data.sources.tables import places, reading
from transfer.data.storage import RemotePath, Root, is_url, located
from transfer.errors import DataError, nearest

_EXCLUDE = dict.fromkeys(("yes", "y", "true", "1", "x"), True) | dict.fromkeys(("", "no", "n", "false", "0"), False)


def require(path: Root, root: str | None) -> list[str]:
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
    start = root_of(path, root)
    if isinstance(start, RemotePath):
        bucket.require_folder(start)
    elif not os.path.isdir(start):
        raise DataError(f"The paths of a table start in an existing folder (data.root). Received {str(start)!r}.")
    return names


def root_of(path: Root, root: str | None) -> Root:
    """Return the folder where the paths of a table start: `root`; the bucket of its first path, if that is a URL; or its own folder.

    Raises:
        DataError: if the table cannot be read, or a URL cannot be.
    """
    if root:
        return located(root).absolute()
    column = _column(reading.columns(path), "path")
    _, (first,) = next(reading.rows(path, [column]), (0, [""]))
    if not is_url(first):
        return path.parent.absolute()
    start = located(first)
    return RemotePath(f"{start.scheme}://{start.bucket}") if isinstance(start, RemotePath) else Path("/")


def image_folders(path: Root) -> list[Path]:
    """Return the folders beside a table in which its images lie; none for a table that cannot be read, which `listing` reports."""
    firsts: set[str] = set()
    try:
        reader = _Reader(path, root_of(path, None), True, ())
        if isinstance(reader.root, RemotePath):
            return []
        for _, (place,) in reading.rows(path, [_column(reading.columns(path), "path")]):
            firsts.update(meant.partition("/")[0] for meant in reader.places.inside(place) if meant and "/" in meant and "\0" not in meant)
    except DataError:
        return []
    return [reader.root / name for name in sorted(firsts)]


def listing(
    path: Root,
    root: str | None = None,
    group: str | None = None,
    missing_files: Literal["error", "skip"] = "error",
    exclude: Sequence[str] = (),
) -> tuple[list[Found], bool, Root]:
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

    def __init__(self, table: Root, root: Root, skip_missing: bool, exclude: Sequence[str]) -> None:
        self.table, self.root, self.skip_missing = table, root, skip_missing
        self.found: list[Found] = []
        self.rows: dict[str, int] = {}  # path -> its row
        self.labels: dict[str, int] = {}  # label of an image -> its first row
        # Only the first row of each kind of problem, so that a million bad rows take no memory.
        self.problems: dict[str, tuple[int, str, str]] = {}
        self.counts: Counter[str] = Counter()
        self.plain = cache(partial(reading.plain, table))  # a million rows share a few labels: one object for each
        self.excluding = left_out.excluding(exclude)
        self.places = places.of(root)

    def read(self, number: int, path: str, label: str, split: str, exclude: str, group: str) -> None:
        """Check one row and keep it."""
        excluded = _EXCLUDE.get(_word(exclude))
        if excluded is None:
            self._wrong(number, "the column exclude holds yes or nothing", exclude)
            return
        pattern = self.excluding(self.places.relative(path) or "")
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
        self.found.append(Found(place, label, "" if reason else named, reason, group, self.places.identities.pop(place, None)))

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
        place, problem = self.places.find(path)
        if problem == places.MISSING and may_be_missing:
            return place, True
        if problem:
            self._wrong(number, problem, path)
            return "", False
        return place, False
