"""What the checks of a data set found: tables of plain values, written as one JSON file and read again."""

import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.system.files import write_text

_IMAGE = ["path", "label", "split"]
COLUMNS: dict[str, list[str]] = {
    "classes": ["label", "images", "share", "train", "validation", "test"],
    "formats": ["format", "images"],
    "sizes": ["measure", "smallest", "median", "largest"],
    "kinds": ["kind", "images", "treatment"],
    "files": ["kind", *_IMAGE, "detail"],
    "duplicates": ["set", *_IMAGE, "contradiction"],
    "near_duplicates": ["set", "path", "label", "split", "other_path", "other_label", "other_split", "similarity", "across"],
    "label_issues": [*_IMAGE, "suggested", "given_probability", "suggested_probability"],
    "outliers": [*_IMAGE, "ratio"],
    "leaks": ["property", "accuracy", "majority", "leak", "rule"],
}
"""Columns of each table."""


def _empty(name: str) -> pd.DataFrame:
    return pd.DataFrame(columns=COLUMNS[name], dtype=object)


@dataclass(frozen=True)
class Findings:
    """Tables (pandas); those whose check did not run are empty, and `notes` says so.

    Attributes:
        notes: sentences for a person: what was not checked, and why.
        classes: one row a class: used images, their share (0 to 1) of all used ones, and how many lie in each split.
        formats: one row a format of the bytes (`JPEG`): used images.
        sizes: rows `width`, `height`, `megapixels`: smallest, median and largest of the used images.
        kinds: one row for each kind of peculiar file that occurs (`truncated or broken`, `animated`, `EXIF-rotated`):
            how many, and what is done with them (a sentence).
        files: the files of each kind, with a detail where there is one.
        duplicates: files with the same bytes; rows of one set (numbered from 0) belong together; `contradiction` where the
            set lies in several classes.
        near_duplicates: pairs of images that are nearly the same, the most similar first; `set` numbers the groups of
            images that hang together; `similarity` is the correlation of the pixels, at most 1; `across` where the two
            lie in different splits.
        label_issues: images whose label is likely wrong, the likeliest first; probabilities are out of fold.
        outliers: images far from their own class, the farthest first; `ratio` is the distance over the class's usual one.
        leaks: properties of the file (not of what is seen) and how well each alone tells the class: cross-validated accuracy
            of a decision stump against the share of the largest class; `leak` where that is more than chance allows;
            `rule` says it in words.
        unchecked: names of the tables that are empty because their check did not run; `splits` where the data cannot be divided.
    """

    notes: list[str] = field(default_factory=list)
    classes: pd.DataFrame = field(default_factory=partial(_empty, "classes"))
    formats: pd.DataFrame = field(default_factory=partial(_empty, "formats"))
    sizes: pd.DataFrame = field(default_factory=partial(_empty, "sizes"))
    kinds: pd.DataFrame = field(default_factory=partial(_empty, "kinds"))
    files: pd.DataFrame = field(default_factory=partial(_empty, "files"))
    duplicates: pd.DataFrame = field(default_factory=partial(_empty, "duplicates"))
    near_duplicates: pd.DataFrame = field(default_factory=partial(_empty, "near_duplicates"))
    label_issues: pd.DataFrame = field(default_factory=partial(_empty, "label_issues"))
    outliers: pd.DataFrame = field(default_factory=partial(_empty, "outliers"))
    leaks: pd.DataFrame = field(default_factory=partial(_empty, "leaks"))
    unchecked: list[str] = field(default_factory=list)

    @property
    def contradictions(self) -> int:
        """Number of sets of files with the same bytes in several classes."""
        return int(self.duplicates.loc[self.duplicates["contradiction"].astype(bool), "set"].nunique())

    @property
    def across(self) -> pd.DataFrame:
        """The pairs of near copies that lie in different splits."""
        return self.near_duplicates[self.near_duplicates["across"].astype(bool)]

    def write(self, path: Path) -> None:
        """Write all tables as JSON, whole or not at all."""
        content: dict[str, Any] = {"notes": self.notes, "unchecked": self.unchecked}
        for name in COLUMNS:
            content[name] = getattr(self, name).astype(object).to_numpy().tolist()
        # Escaped: names of files that are no Unicode (surrogates) survive.
        write_text(path, json.dumps(content, default=lambda value: value.item()) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Findings":
        """Read what `write` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        tables = {name: pd.DataFrame(content[name], columns=COLUMNS[name], dtype=object) for name in COLUMNS}
        return cls(content["notes"], unchecked=content.get("unchecked", []), **tables)
