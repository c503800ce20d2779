"""Findings and thumbnails -> what the pages show of each kind: cards with an image, the rest as lines of text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from transfer.quality.findings import Findings
from transfer.reports.findings import kinds_of
from transfer.reports.names import printable, shortened

_NAME = 56  # columns of a path under an image; the whole path is its tooltip
_CLASS = 32  # columns of a class name
_OF_A_SET = 8  # images shown of a set
_PAIRS_OF_A_SET = 3
_LISTED = 500  # lines of text after the images


@dataclass(frozen=True)
class Card:
    """One image of a page.

    Attributes:
        path: as in the manifest.
        name, full: the path as a person can read it, short and whole.
        label, split: its class and split.
        image: data URI of the thumbnail; empty: there is none.
        why: why there is none.
    """

    path: str
    name: str
    full: str
    label: str
    split: str
    image: str
    why: str


@dataclass(frozen=True)
class Part:
    """One section: what is shown with images, further lines of text, and the number of those left out."""

    shown: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    left: int = 0


class Album:
    """All sections, each with at most about `most` images."""

    def __init__(self, findings: Findings, thumbnails: Mapping[str, str], most: int) -> None:
        self.findings, self.thumbnails, self.most = findings, thumbnails, most
        self.paths: dict[str, None] = {}
        details = findings.files[findings.files["detail"].astype(str) != ""]
        self._details = dict(zip(details["path"], details["detail"], strict=True))
        self.parts = {
            "across": self._across(), "contradictions": self._same(contradiction=True), "labels": self._labels(),
            "near": self._near(), "outliers": self._outliers(), "duplicates": self._same(contradiction=False),
        }  # fmt: skip
        self.kinds, self.unused, self.quality = (self._kinds(kinds_of(findings, key)) for key in ("kinds", "unused", "quality"))

    def _card(self, path: str, label: str, split: str) -> Card:
        self.paths[path] = None
        full = printable(str(path))
        image = self.thumbnails.get(path, "")
        why = "" if image else printable(str(self._details.get(path, "no image")))
        return Card(path, shortened(full, _NAME), full, _class(label), printable(str(split)), image, why)

    def _cards(self, rows: pd.DataFrame, most: int) -> list[Card]:
        return [self._card(row.path, row.label, row.split) for row in rows.head(most).itertuples()]

    def _across(self) -> Part:
        pairs, shown = self.findings.across, []
        first = pairs.groupby("set", sort=False).head(_PAIRS_OF_A_SET).head(self.most // 2)
        for row in first.itertuples():
            cards = [self._card(row.path, row.label, row.split), self._card(row.other_path, row.other_label, row.other_split)]
            shown.append({"cards": cards, "similarity": float(row.similarity), "differ": row.label != row.other_label})
        rest = self.findings.near_duplicates.drop(index=first.index)
        rest = rest[rest["set"].isin(pairs["set"])]  # with the other pairs of the same sets
        return _part(shown, rest, _pair_line)

    def _near(self) -> Part:
        pairs = self.findings.near_duplicates
        inside, sets = pairs[~pairs["set"].isin(self.findings.across["set"])], []
        for rows in self._first_sets(inside):
            others = rows[["other_path", "other_label", "other_split"]].set_axis(["path", "label", "split"], axis=1)
            images = pd.concat([rows[["path", "label", "split"]], others]).drop_duplicates("path")
            lowest, highest = float(rows["similarity"].min()), float(rows["similarity"].max())
            sets.append((images, {"lowest": lowest, "highest": highest}))
        return self._sets(sets, inside["set"].nunique())

    def _same(self, contradiction: bool) -> Part:
        table = self.findings.duplicates
        wanted = table[table["contradiction"].astype(bool) == contradiction]
        return self._sets([(rows, {}) for rows in self._first_sets(wanted)], wanted["set"].nunique())

    def _first_sets(self, table: pd.DataFrame) -> list[pd.DataFrame]:
        """Return the rows of each set, of no more sets than can be listed: there may be tens of thousands."""
        first = table["set"].drop_duplicates().head(self.most + _LISTED)
        return [rows for _, rows in table[table["set"].isin(first)].groupby("set", sort=False)]

    def _sets(self, sets: list[tuple[pd.DataFrame, dict[str, Any]]], total: int) -> Part:
        shown: list[dict[str, Any]] = []
        images = 0
        while len(shown) < len(sets) and images < self.most:
            rows, facts = sets[len(shown)]
            cards = self._cards(rows, _OF_A_SET)
            images += len(cards)
            hidden = [_image_line(row) for row in rows.iloc[_OF_A_SET:].head(_LISTED).itertuples()]
            differ = rows["label"].nunique() > 1
            shown.append({"cards": cards, "count": len(rows), "lines": hidden, "differ": differ, **facts})
        rest = sets[len(shown) :]
        lines = ["  =  ".join(_image_line(row) for row in rows.head(_OF_A_SET).itertuples()) for rows, _ in rest[:_LISTED]]
        return Part(shown, lines, total - len(shown) - len(lines))

    def _labels(self) -> Part:
        table, shown = self.findings.label_issues, []
        for row in table.head(self.most).itertuples():
            facts: dict[str, Any] = {"suggested": _class(row.suggested), "given_probability": float(row.given_probability)}
            facts["suggested_probability"] = float(row.suggested_probability)
            shown.append({"card": self._card(row.path, row.label, row.split), **facts})
        return _part(shown, table.iloc[self.most :], lambda row: printable(f"{row.path}: {row.label} -> {row.suggested}"))

    def _outliers(self) -> Part:
        """Return outliers by class, in the order of their farthest image."""
        table, of_class = self.findings.outliers, dict[str, list[dict[str, Any]]]()
        for row in table.head(self.most).itertuples():
            item = {"card": self._card(row.path, row.label, row.split), "ratio": float(row.ratio)}
            of_class.setdefault(_class(row.label), []).append(item)
        shown = [{"label": label, "items": items} for label, items in of_class.items()]
        return _part(shown, table.iloc[self.most :], lambda row: f"{_image_line(row)}: {row.ratio:.1f} times")

    def _kinds(self, kinds: pd.DataFrame) -> list[dict[str, Any]]:
        files, shown = self.findings.files, []
        few = max(self.most // 6, 1)
        for kind in kinds.itertuples():
            rows = files[files["kind"] == kind.kind]
            seen = kind.treatment and not str(kind.treatment).startswith("not used")
            first = rows.head(few) if seen else rows.head(0)
            cards = [
                {"card": self._card(row.path, row.label, row.split), "detail": printable(str(row.detail))} for row in first.itertuples()
            ]
            part = _part(cards, rows.iloc[len(first) :], _file_line)
            facts = {"kind": printable(str(kind.kind)), "treatment": printable(str(kind.treatment)), "count": int(kind.images)}
            shown.append({**facts, "part": part})
        return shown


def paths(findings: Findings, most: int) -> list[str]:
    """Return the paths of all images on a page that shows about `most` per section."""
    return list(Album(findings, {}, most).paths)


def _part(shown: list[dict[str, Any]], rest: pd.DataFrame, line: Callable[[Any], str]) -> Part:
    return Part(shown, [line(row) for row in rest.head(_LISTED).itertuples()], max(len(rest) - _LISTED, 0))


def _class(label: object) -> str:
    return shortened(printable(str(label)), _CLASS)


def _image_line(row: Any) -> str:
    where = printable(str(row.split))
    return printable(str(row.path)) + (f" ({where})" if where else "")


def _pair_line(row: Any) -> str:
    other = printable(str(row.other_path)) + (f" ({printable(str(row.other_split))})" if row.other_split else "")
    return f"{row.similarity:.3f}  {_image_line(row)}  ~  {other}"


def _file_line(row: Any) -> str:
    return printable(str(row.path)) + (f": {printable(str(row.detail))}" if row.detail else "")
