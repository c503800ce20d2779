"""The manifest: one row for each file seen, used or not, and why not.

A pandas table with the columns

    path      relative to the data folder, with `/`
    label     class name; empty where the file lies in no class folder
    split     train, validation, test; empty for files that are not used
    group     images of one group fall in the same split (a patient, a burst of photographs); empty: on its own
    status    used, transcoded (used, as a PNG in the cache), or skipped
    reason    why a file was skipped; empty exactly for those that are used
    traits    what is peculiar about the file, words with a space between: alpha, animated, cmyk, 16-bit, rotated (by EXIF),
              mislabelled (its name announces another format)
    digest    SHA-256 of the file's bytes, hexadecimal; empty where it was not read
    size      bytes
    format    what the bytes are (JPEG, PNG, ...), whatever the file is called
    width, height   pixels, as stored in the file
    mtime_ns  when the file was last changed: to notice that it changes while it is read (not written to disk)
"""

import csv
import io
from collections import Counter
from pathlib import Path

import pandas as pd

from transfer.system.files import write_text

COLUMNS = [
    "path", "label", "split", "group", "status", "reason", "traits", "digest", "size", "format", "width", "height", "mtime_ns",
]  # fmt: skip
SAVED = COLUMNS[:-1]
TEXTS = ("path", "label", "split", "group", "status", "reason", "traits", "digest", "format")
SPLITS = ("train", "validation", "test")


def used(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose files are used."""
    return manifest[manifest["reason"] == ""]


def skip(manifest: pd.DataFrame, reasons: dict[int, str]) -> pd.DataFrame:
    """Return the manifest with the rows of these index labels marked as skipped."""
    if not reasons:
        return manifest.copy()
    which = manifest.index.isin(list(reasons))
    told = [reasons.get(index, reason) for index, reason in zip(manifest.index, manifest["reason"], strict=True)]
    columns = {
        "status": manifest["status"].mask(which, "skipped"),
        "reason": pd.Series(told, manifest.index, dtype=object),
        "split": manifest["split"].mask(which, ""),
    }
    return manifest.assign(**columns)


def reason_counts(manifest: pd.DataFrame) -> dict[str, int]:
    """Return how many files were skipped for each kind of reason (the text before a colon), most frequent first."""
    reasons = manifest.loc[manifest["reason"] != "", "reason"]
    return dict(Counter(reason.split(":")[0] for reason in reasons).most_common())


def class_names(manifest: pd.DataFrame) -> list[str]:
    """Return the classes of the used files, sorted."""
    return sorted(used(manifest)["label"].unique())


def write(manifest: pd.DataFrame, path: Path) -> None:
    """Write the manifest as CSV, whole or not at all."""
    buffer = io.StringIO()
    # The csv module of Python 3.11 puts no quotes around a carriage return, and readers take it for the end of the row.
    returns = any(manifest[name].str.contains("\r").any() for name in ("path", "label", "group"))
    quoting = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
    manifest[SAVED].to_csv(buffer, index=False, quoting=quoting, lineterminator="\n")
    write_text(path, buffer.getvalue())


def read(path: Path) -> pd.DataFrame:
    """Read a manifest written by `write`."""
    texts = dict.fromkeys(TEXTS, object)
    table = pd.read_csv(path, keep_default_na=False, dtype=texts, encoding="utf-8", encoding_errors="surrogateescape")
    return table.assign(mtime_ns=0)
