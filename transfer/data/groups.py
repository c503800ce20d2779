"""Groups: which images belong together (a patient, a plant, a burst of photographs) and must be in the same split.

`data.group_by` is, in this order: empty (the column `group` of a table that has one), `near-duplicates` (the sets that the
checks find), the name of a column of the table, or else a regular expression that is searched in each path. A text of only
letters, digits, spaces, `_` and `-` is never a regular expression: it would give the same group to every image that it
matches, so it is the misspelt name of a column. If a column has the name of an expression, write the expression `(?:name)`.
"""

import re
from collections.abc import Sequence

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
    names = [f"group {group}" if group else digest for group, digest in zip(rows["group"], rows["digest"], strict=True)]
    if (rows["group"] != "").any():
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        grouped = sorted(set(rows["group"]) - {""})
        node = {name: number for number, name in enumerate([*(f"group {group}" for group in grouped), *set(rows["digest"])])}
        edges = [node[name] for name in names], [node[digest] for digest in rows["digest"]]
        _, parts = connected_components(coo_array((np.ones(len(names), bool), edges), shape=(len(node), len(node))), directed=False)
        first: dict[int, str] = {}
        for name, part in zip(node, parts.tolist(), strict=True):
            first.setdefault(part, name)
        names = [first[parts[node[name]]] for name in names]
    return pd.Series(names, index=rows.index, dtype=object)


def by_class(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return class name -> the unit of each of its images. Not by pandas, whose indexes refuse names that are not Unicode."""
    found: dict[str, list[str]] = {}
    for label, unit in zip(rows["label"], units(rows), strict=True):
        found.setdefault(label, []).append(unit)
    return found


def distinct(manifest: pd.DataFrame) -> dict[str, int]:
    """Return class name -> number of different units of its used images."""
    return {label: len(set(members)) for label, members in by_class(manifests.used(manifest)).items()}
