"""What the checks of a data set found: tables of plain values, written as one JSON file and read again."""

import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.config import CheckConfig
from transfer.errors import RunError
from transfer.system.files import replacing

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
"""The columns of each table."""


_BLOCK = 16_384  # rows written at a time


def _json(value: Any) -> str:
    # JSON escapes surrogates: file names that are not Unicode survive.
    return json.dumps(value, default=lambda value: value.item())


def _empty(name: str) -> pd.DataFrame:
    return pd.DataFrame(columns=COLUMNS[name], dtype=object)


@dataclass(frozen=True)
class Findings:
    """Tables (pandas). Those whose check did not run are empty, and `notes` says so.

    Attributes:
        notes: sentences for the reader: what was not checked, and why.
        classes: one row per class: used images, their share (0 to 1) of all used images, and the number in each split.
        formats: one row per format of the bytes (`JPEG`): used images.
        sizes: rows `width`, `height`, `megapixels`: smallest, median and largest of the used images.
        kinds: one row for each kind of peculiar file that occurs (`truncated or broken`, `animated`, `EXIF-rotated`):
            the number of files, and what is done with them (a sentence).
        files: the files of each kind, some with a detail.
        duplicates: exact duplicates, files with the same bytes; rows of one set (numbered from 0) belong together;
            `contradiction` where the set lies in several classes.
        near_duplicates: pairs of near duplicates, the most similar first; `set` numbers the groups of images connected by
            pairs; `similarity` is the correlation of the pixels, at most 1; `across` where the two lie in different splits.
        label_issues: images whose label is likely wrong, the likeliest first; probabilities are out of fold.
        outliers: images far from their own class, the farthest first; `ratio` is the distance divided by the class's median.
        leaks: properties of the file (not of what it shows) and how well each alone predicts the class: cross-validated
            accuracy of a decision stump, and the share of the largest class; `leak` where the difference is more than
            chance allows; `rule` states the stump in words.
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
        """The pairs of near duplicates that lie in different splits."""
        return self.near_duplicates[self.near_duplicates["across"].astype(bool)]

    def exceeded(self, config: CheckConfig) -> list[str]:
        """Return a sentence for each limit that is exceeded, for continuous integration: what was found, the limit and its key.

        Files left out on purpose (excluded, hidden, beside the splits, in a class that was left out) count towards no limit.
        """
        images = int(self.classes["images"].sum())
        unusable = int(self.kinds.loc[self.kinds["treatment"] == "not used", "images"].sum())
        found = {
            "max_unusable": (unusable / max(images + unusable, 1), "share of files that cannot be used"),
            "max_contradictions": (self.contradictions, "images found in several classes"),
            "max_across": (len(self.across), "pairs of near duplicates in different splits"),
            "max_label_issues": (len(self.label_issues) / max(images, 1), "share of labels that are likely wrong"),
            "max_leaks": (int(self.leaks["leak"].astype(bool).sum()), "properties of files that give the class away"),
        }
        limits = config.model_dump()
        return [
            f"{what}: {value:.3g}, the limit is {limits[name]:g} (check.{name})"
            for name, (value, what) in found.items()
            if value > limits[name]
        ]

    def write(self, path: Path) -> None:
        """Write all tables as JSON, atomically."""
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.write(f'{{"notes": {_json(self.notes)}, "unchecked": {_json(self.unchecked)}')
            for name in COLUMNS:
                table = getattr(self, name).astype(object)
                file.write(f', "{name}": [')
                for start in range(0, len(table), _BLOCK):  # a table may have a row for each of a million files
                    rows = _json(table.iloc[start : start + _BLOCK].to_numpy().tolist())
                    file.write(", " * bool(start) + rows[1:-1])
                file.write("]")
            file.write("}\n")

    @classmethod
    def read(cls, path: Path) -> "Findings":
        """Read what `write` wrote.

        Raises:
            RunError: if it cannot be read.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            tables = {name: pd.DataFrame(content[name], columns=COLUMNS[name], dtype=object) for name in COLUMNS}
            return cls(content["notes"], unchecked=content.get("unchecked", []), **tables)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            why = " ".join(str(error).split())
            raise RunError(f"The findings cannot be read: {why}. Received {str(path)!r}.") from None
