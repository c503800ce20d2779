"""The table for editing by hand: one row per file, with the findings about it. Once edited, it is the data source.

    path, label, split, group   as in the manifest; change them to relabel a file or move it to another split
    exclude                     yes: the file is not used; filled in for files that cannot be used or were left out
    suggested_label             where the label is likely wrong
    duplicate_of                the first of its exact or near duplicates
    notes                       what is peculiar about the file, and why it was not used
    format, width, height, size facts

The file is UTF-8 with a byte order mark, which tells spreadsheets the encoding, and separated by commas. Cells that a
spreadsheet would take for a formula, and names that are not Unicode, are escaped (`system/spreadsheet.py`) and come
back unchanged. `transfer.data.sources.tables` reads columns by name, so columns may be added, removed (except path and label) and
reordered, and rows sorted; a file whose row is deleted is not used. What a spreadsheet does to cells by itself, such as turning
a class `01` into 1, cannot be undone: import the columns as text.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from transfer.data.sources.tables import reading
from transfer.errors import DataError, OutputError
from transfer.quality.findings import Findings
from transfer.system.files import replacing, require_place
from transfer.system.spreadsheet import cell, path_cell

COLUMNS = [
    "path", "label", "split", "group", "exclude", "suggested_label", "duplicate_of", "notes", "format", "width", "height", "size",
]  # fmt: skip


def require_free(path: Path, protected: Iterable[Path]) -> None:
    """Check that the table may be written there.

    Args:
        path: a file (.csv): a new one, or an earlier table of this kind, which is replaced.
        protected: what belongs to the user (`sources.own`): folders that are not written to, files that stay.

    Raises:
        OutputError: if it may not.
    """
    if path.suffix.lower() != ".csv":
        raise OutputError(f"--write-manifest writes a CSV file. Expected a name that ends in .csv. Received {str(path)!r}.")
    expected = "a new name, or a table that it wrote (with the columns exclude, suggested_label, duplicate_of, ...)"
    require_place(path, protected, "--write-manifest", _is_worksheet, expected)


def write(manifest: pd.DataFrame, findings: Findings | None, path: Path, protected: Iterable[Path] = ()) -> None:
    """Write the table, atomically.

    Args:
        manifest: every file seen, with its split if the table is to have splits. Rows of folders are left out.
        findings: what the checks found; none: only the facts of the manifest are written.
        path, protected: see `require_free`.

    Raises:
        DataError: if it may not or cannot be written there.
    """
    require_free(path, protected)
    found = findings or Findings()
    suggested = dict(zip(found.label_issues["path"], found.label_issues["suggested"], strict=True))
    duplicate_of, notes = _duplicate_of(found, manifest["path"]), _notes(found)
    try:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)  # ends rows with \r\n, so cells with either of the two are quoted
            writer.writerow(COLUMNS)
            for row in manifest.itertuples(index=False):
                name = row.path
                if name.endswith("/"):
                    continue
                remarks = [row.reason] if row.reason else notes.get(name, ()) if findings else row.traits.split()
                writer.writerow([
                    path_cell(name), cell(row.label), row.split, cell(row.group), "yes" if row.reason else "",
                    cell(suggested.get(name, "")), path_cell(duplicate_of.get(name, "")), cell("; ".join(remarks)),
                    row.format, row.width or "", row.height or "", row.size,
                ])  # fmt: skip
    except OSError as error:
        raise DataError(f"The table for --write-manifest cannot be written: {error.strerror}. Received {str(path)!r}.") from None


def _is_worksheet(path: Path) -> bool:
    try:
        return set(COLUMNS) <= set(reading.columns(path))
    except DataError:
        return False


def _duplicate_of(findings: Findings, paths: Iterable[str]) -> dict[str, str]:
    """Return path -> the first of its exact duplicates; for files without these, the first of its near duplicates."""
    found: dict[str, str] = {}
    for first, *others in findings.duplicates.groupby("set", sort=False)["path"].agg(list):
        found.update(dict.fromkeys(others, first))
    named = {*findings.near_duplicates["path"], *findings.near_duplicates["other_path"]}  # few of all
    order = {path: number for number, path in enumerate(paths) if path in named}
    pairs = findings.near_duplicates.groupby("set", sort=False)[["path", "other_path"]].agg(list)
    for members in pairs["path"] + pairs["other_path"]:
        first, *others = sorted(set(members), key=lambda path: order.get(path, -1))
        for path in others:
            found.setdefault(path, first)
    return found


def _notes(findings: Findings) -> dict[str, tuple[str, ...]]:
    """Return path -> what was found about the file, each finding once."""
    notes: dict[str, tuple[str, ...]] = {}
    texts: dict[str, str] = {}  # a million files may be tiny, all with the same words

    def note(path: str, text: str) -> None:
        known = notes.get(path, ())
        if text not in known:
            notes[path] = (*known, texts.setdefault(text, text))

    sets = findings.duplicates.groupby("set", sort=False)[["path", "label"]].agg(list)
    for paths, labels in zip(sets["path"], sets["label"], strict=True):
        for path, label in zip(paths, labels, strict=True):
            if others := sorted(set(labels) - {label}):
                note(path, f"contradiction: also in {', '.join(others)}")
    for row in findings.across.itertuples(index=False):
        note(row.path, f"near duplicate across splits: {row.other_path} is in {row.other_split}")
        note(row.other_path, f"near duplicate across splits: {row.path} is in {row.split}")
    for row in findings.label_issues.itertuples(index=False):
        given, other = row.given_probability, row.suggested_probability
        note(row.path, f"label is likely wrong: probability {given:.2f}, that of {row.suggested} {other:.2f}")
    for row in findings.outliers.itertuples(index=False):
        note(row.path, f"outlier: {row.ratio:.1f} times as far from its class as usual")
    for row in findings.files.itertuples(index=False):
        note(row.path, f"{row.kind}: {row.detail}" if row.detail else row.kind)
    return notes
