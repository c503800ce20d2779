"""A dataset: one row per file seen, used or skipped, with the reason.

Its table, the manifest, has the columns

    path      relative to the data folder, with `/`
    label     class name; empty if the file is not in a class folder
    split     train, validation, test; empty for files that are not used
    group     images of one group fall in the same split (a patient, a burst of photographs); empty: on its own
    status    used, transcoded (used, as a PNG in the cache), or skipped
    reason    why a file was skipped; empty exactly for those that are used
    traits    unusual properties of the file, separated by spaces: alpha, animated, cmyk, rotated (by EXIF), mislabelled (its
              name announces another format), and the type of samples of more than 8 bits: uint16, int16, float32, ...
    value_range   of images of more than 8 bits: the values that become 0 to 255 (`low to high`), or dtype: all of their type
    digest    SHA-256 of the file's bytes, hexadecimal; empty if it was not read
    size      bytes
    format    format of the bytes (JPEG, PNG, ...), whatever the file is called
    width, height   pixels, as stored in the file
    ctime_ns  time of the last change of any kind, which nobody can set, to detect files that change meanwhile (not written to disk)
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from transfer.data.storage import Root
from transfer.system.spreadsheet import write_csv

COLUMNS = [
    "path", "label", "split", "group", "status", "reason", "traits", "value_range", "digest", "size", "format", "width", "height",
    "ctime_ns",
]  # fmt: skip
SAVED = COLUMNS[:-1]
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Dataset:
    """All files of one source.

    Attributes:
        root: folder that the paths of the table are relative to.
        scanned: every file seen, before splitting; has splits only if the source defines them.
        ready_made: whether the source defines the splits.
        table: every file seen, with the split of each used file once the dataset is split.
        unsplit: why the images could not be split; empty if they are.
    """

    root: Root
    scanned: pd.DataFrame
    ready_made: bool
    table: pd.DataFrame
    unsplit: str = ""

    @cached_property
    def used(self) -> pd.DataFrame:
        """Rows whose files are used."""
        return used(self.table)

    @cached_property
    def classes(self) -> list[str]:
        """Classes of the used files, sorted: the position is the class number."""
        return class_names(self.table)

    def rows(self, *splits: str) -> pd.DataFrame:
        """Return the used rows of a split, or of several."""
        return self.used[self.used["split"].isin(splits)]

    def column(self, name: str, split: str) -> pd.Series:
        """Return one column of the used rows of a split."""
        return self.used.loc[self.used["split"] == split, name]

    def skip(self, reasons: dict[int, str]) -> "Dataset":
        """Return the dataset with these rows skipped; `reasons`: index label -> reason."""
        return replace(self, scanned=skip(self.scanned, reasons), table=skip(self.table, reasons)) if reasons else self

    def with_value_range(self, which: pd.Index, value_range: str) -> "Dataset":
        """Return the dataset with this value range, as text, in the rows of these index labels."""

        def changed(manifest: pd.DataFrame) -> pd.DataFrame:
            return manifest.assign(value_range=manifest["value_range"].mask(manifest.index.isin(which), value_range))

        return replace(self, scanned=changed(self.scanned), table=changed(self.table))

    def grouped(self, groups: Mapping[int, str]) -> "Dataset":
        """Return the dataset with new groups, index label -> name; it must then be split again."""
        column = pd.Series(groups, dtype=object).reindex(self.scanned.index, fill_value="")
        return replace(self, scanned=self.scanned.assign(group=column))


def used(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose files are used."""
    return manifest[manifest["reason"] == ""]


def skip(manifest: pd.DataFrame, reasons: dict[int, str]) -> pd.DataFrame:
    """Return the manifest with the rows of these index labels marked as skipped."""
    if not reasons:
        return manifest.copy()
    which, told = manifest.index.isin(list(reasons)), manifest["reason"].to_numpy(object).copy()
    told[which] = [reasons[index] for index in manifest.index[which]]
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
    """Write the manifest as CSV, atomically; see `system.spreadsheet`."""
    write_csv(manifest[SAVED], path)
