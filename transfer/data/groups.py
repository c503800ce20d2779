"""Groups: which images belong together (a patient, a plant, a burst of photographs) and must be in the same split.

`data.group_by` is, in this order: empty (the column `group` of a table that has one), `near-duplicates` (the sets that the
checks find), the name of a column of the table, or else a regular expression that is searched in each path. A text of only
letters, digits, spaces, `_` and `-` is never a regular expression: it would give the same group to every image that it
matches, so it is the misspelt name of a column. If a column has the name of an expression, write the expression `(?:name)`.
"""

import re
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pandas as pd

from transfer.data import dataset as manifests
from transfer.errors import DataError, nearest
from transfer.system.progress import Progress

NEAR_DUPLICATES = "near-duplicates"
_EXAMPLE = "for example '([^/]+)_[0-9]+[.]' for files like plant7_001.jpg"


def column(group_by: str | None, columns: Sequence[str] | None) -> str | None:
    """Return the column of a table that names the groups; None if no column does.

    Args:
        group_by: the setting `data.group_by`.
        columns: names of the table's columns; None: the source is not a table.

    Raises:
        DataError: if the setting is neither a column nor a valid regular expression.
    """
    if group_by == NEAR_DUPLICATES:
        return None
    if not group_by:
        return next((name for name in columns or () if name.casefold() == "group"), None)
    if columns is not None and group_by in columns:
        return group_by
    if re.fullmatch(r"[\w\- ]+", group_by):
        raise DataError(_no_column(group_by, columns))
    expression(group_by)
    return None


def expression(group_by: str) -> re.Pattern[str]:
    """Return the compiled regular expression.

    Raises:
        DataError: if it is not valid, with the position (from 1).
    """
    try:
        return re.compile(group_by)
    except (re.error, RecursionError, OverflowError) as error:
        place = f" at character {error.pos + 1}" if isinstance(error, re.error) and error.pos is not None else ""
        what = error.msg if isinstance(error, re.error) else "too complex"
        raise DataError(f"data.group_by is not a regular expression: {what}{place}. Received {group_by!r}.") from None


def grouped(manifest: pd.DataFrame, group_by: str | None, columns: Sequence[str] | None, progress: Progress) -> pd.DataFrame:
    """Return the manifest with its column `group` filled.

    If a column of a table names the groups, the source has filled it already. A regular expression is searched in each path
    (relative, with `/`): its capture groups, joined by `/`, name the group of the image, or the whole match if it has none.
    Images that it does not match are in no group.

    Args:
        manifest: the scanned files.
        group_by: the setting `data.group_by`.
        columns: names of the table's columns; None: the source is not a table.
        progress: reports the number of images and groups.

    Raises:
        DataError: if the expression is not valid, or matches none of the used files.
    """
    in_column = column(group_by, columns)
    if group_by == NEAR_DUPLICATES or not (group_by or in_column):
        return manifest
    if group_by and not in_column:
        pattern = expression(group_by)
        names = [_name(pattern, path) for path in manifest["path"]]
        manifest = manifest.assign(group=pd.Series(names, manifest.index, dtype=object))
    usable = manifests.used(manifest)
    together = usable.loc[usable["group"] != "", "group"]
    if together.empty and group_by and len(usable):
        raise DataError(_no_match(group_by, in_column, usable["path"].iloc[0], columns))
    if len(together):
        alone = len(usable) - len(together)
        rest = f"; {alone:,} in no group" if alone else ""
        groups = len(set(together))
        progress.say(f"Groups: {len(together):,} images in {groups:,} group{'' if groups == 1 else 's'}{rest}.")
    return manifest


def _name(pattern: re.Pattern[str], path: str) -> str:
    """Return the group of a path; empty if it has none. Rows of folders (`cats/`) are not images."""
    found = None if path.endswith("/") else pattern.search(path)
    if found is None:
        return ""
    captured = [part or "" for part in found.groups()]
    if not captured:
        return found[0]
    return "/".join(captured) if any(captured) else ""


def _no_column(group_by: str, columns: Sequence[str] | None) -> str:
    if columns is None:
        return (
            "data.group_by is near-duplicates or a regular expression that finds the group in an image's path, "
            f"{_EXAMPLE}; a plain word would put all images in one group. Received {group_by!r}."
        )
    near = nearest(group_by, columns)
    hint = f" Did you mean {near!r}?" if near else ""
    return (
        f"data.group_by is a column of the table, near-duplicates, or a regular expression, {_EXAMPLE}.{hint} "
        f"Columns: {_listed(columns)}. Received {group_by!r}."
    )


def _no_match(group_by: str, in_column: str | None, path: str, columns: Sequence[str] | None) -> str:
    if in_column:
        return f"The column of data.group_by is empty for every used image. Received {group_by!r}."
    there = f", and the table has no such column (it has {_listed(columns)})" if columns else ""
    return f"The regular expression of data.group_by finds no group in any path, for example in {path!r}{there}. Received {group_by!r}."


def _listed(columns: Sequence[str]) -> str:
    shown = [" ".join(name.split()) for name in columns[:20] if name]  # on one line
    return ", ".join(shown) + (", ..." if len(columns) > 20 else "")


def units(rows: pd.DataFrame) -> pd.Series:
    """Return the name of each row's unit, which must not be divided between splits: the digest of its image, or its group.

    Groups that share an exact duplicate are one unit, named after the first of them.

    Args:
        rows: used rows of a manifest.

    Returns:
        Names, with the index of `rows`.
    """
    names = rows["digest"].to_numpy(object).copy()
    if (rows["group"] != "").any():
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        groups = sorted(set(rows["group"]) - {""})
        image, _ = numbered(names)
        image += len(groups)  # nodes: the groups, then the images
        grouped = np.flatnonzero((rows["group"] != "").to_numpy())
        group = places(groups, rows["group"].iloc[grouped])
        edges, nodes = np.ones(len(grouped), bool), len(groups) + len(names)
        _, parts = connected_components(coo_array((edges, (group, image[grouped])), shape=(nodes, nodes)), directed=False)
        first = np.full(nodes, -1)
        first[parts[: len(groups)][::-1]] = np.arange(len(groups))[::-1]
        unit = first[parts[image]]
        names[unit >= 0] = np.array([f"group {group}" for group in groups], object)[unit[unit >= 0]]
    return pd.Series(names, index=rows.index, dtype=object)


def numbered(values: Iterable[str]) -> tuple[np.ndarray, list[str]]:
    """Return the number of each text among the different ones, int64 [n], and these in the order in which they appear.

    Not all by pandas, which takes a name that is not Unicode for another that reads like its escaped form.
    """
    values = list(values)
    if "".join(values).isascii():  # as digests are
        numbers, names = pd.factorize(np.array(values, object))
        return numbers, list(names)
    found: dict[str, int] = {}
    return np.fromiter((found.setdefault(value, len(found)) for value in values), np.int64), list(found)


def places(names: Sequence[str], values: Collection[str]) -> np.ndarray:
    """Return the position of each value among different names that hold all of them, int64 [n]."""
    found = {name: number for number, name in enumerate(names)}
    return np.fromiter(map(found.__getitem__, values), np.int64, len(values))


def distinct(manifest: pd.DataFrame) -> dict[str, int]:
    """Return class name -> number of different units of its used images."""
    rows = manifests.used(manifest)
    label, names = numbered(rows["label"])
    unit, _ = numbered(units(rows))
    pairs = np.unique(label * (len(rows) + 1) + unit)
    return dict(zip(names, np.bincount(pairs // (len(rows) + 1), minlength=len(names)).tolist(), strict=True))
