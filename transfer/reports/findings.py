"""What the checks found, the most urgent first, as text for the terminal and the pages."""

from dataclasses import dataclass

import pandas as pd

from transfer.data.classes import describe_absent
from transfer.quality.findings import Findings
from transfer.quality.image_quality import KINDS as POOR_IMAGES
from transfer.reports.words import counted, listed

FIX, LOOK, NOTE = "fix first", "worth a look", "no action needed"
"""Urgency: metrics cannot be trusted until it is fixed; a person should look; nothing needs to be done."""

EDIT = "`transfer check DATA --write-manifest FILE.csv`"
GROUP = "`transfer fit DATA --group-by near-duplicates`"

_USUAL = 0.5
"""Share of the used images above which a kind is not unusual."""

_TABLES = {"across": "near_duplicates", "near": "near_duplicates", "labels": "label_issues", "outliers": "outliers"}
"""Tables behind those kinds of findings whose check can be left out."""


@dataclass(frozen=True)
class Item:
    """One kind of finding. Commands in `meaning` and `action` stand between backticks.

    Attributes:
        key: name of its section in the page.
        title: heading of its section.
        count: how many.
        unit: its name, singular and plural.
        urgency: `FIX`, `LOOK` or `NOTE`.
        brief: its effect or what to do, in a few words.
        meaning: what it is and why it matters, in a sentence or two.
        action: what the reader can do.
    """

    key: str
    title: str
    count: int
    unit: tuple[str, str]
    urgency: str
    brief: str
    meaning: str
    action: str

    @property
    def phrase(self) -> str:
        """`1 pair of near duplicates across splits`, `1,200 likely wrong labels`."""
        return counted(self.count, *self.unit)


def items(findings: Findings) -> list[Item]:
    """Return every kind of finding, the most urgent first; count 0 where there is none."""
    return [_across(findings), _contradictions(findings), _labels(findings), _leaks(findings), *_lesser(findings)]


def absent(findings: Findings) -> list[str]:
    """Return the titles of what was checked and not found."""
    left_out = {key for key, table in _TABLES.items() if table in findings.unchecked}
    if "splits" in findings.unchecked:
        left_out.add("across")
    return [item.title for item in items(findings) if not item.count and item.key not in left_out]


def sentence(findings: Findings) -> str:
    """Return the result in one sentence or two."""
    images = int(findings.classes["images"].sum())
    start = f"{counted(images, 'image')} in {counted(len(findings.classes), 'class', 'classes')}."
    found = [item for item in items(findings) if item.count]
    fix = [item.phrase for item in found if item.urgency == FIX]
    look = [item.phrase for item in found if item.urgency == LOOK]
    nothing = f"Nothing that must be fixed was found{' by the checks that ran' if findings.notes else ''}."
    if fix:
        return f"{start} Fix first: {listed(fix)}."
    if look:
        return f"{start} {nothing} Worth a look: {listed(look)}."
    return f"{start} {nothing}"


def without(findings: Findings) -> list[str]:
    """Return a sentence for each of the validation and the test split that has no image of some class, if the data was divided."""
    classes = findings.classes[findings.classes["images"].astype(int) > 0]
    lacking = {split: classes.loc[classes[split].astype(int) == 0, "label"].astype(str) for split in ("validation", "test")}
    found = {split: names for split, names in lacking.items() if len(names) < len(classes)}
    return [said for split, names in found.items() if (said := describe_absent(split, sorted(names)))]


def _across(findings: Findings) -> Item:
    pairs = findings.across
    differ = int((pairs["label"] != pairs["other_label"]).sum())
    under = f" {differ:,} of the pairs {'has' if differ == 1 else 'have'} two different labels." if differ else ""
    return Item(
        "across", "near duplicates across splits", len(pairs),
        ("pair of near duplicates across splits", "pairs of near duplicates across splits"), FIX,
        "test accuracy is inflated; keep near duplicates in one split",
        "Two nearly identical images lie in different splits: the model is tested on what it saw in training, so test accuracy "
        f"is inflated.{under}",
        f"Keep near duplicates in one split with {GROUP}, or exclude one of each pair in the table of {EDIT}.",
    )  # fmt: skip


def _contradictions(findings: Findings) -> Item:
    return Item(
        "contradictions", "contradictions", findings.contradictions, ("contradiction", "contradictions"), FIX,
        "the same file in several classes; at most one label is right",
        "The same file lies in several classes: at most one of its labels is right.",
        f"Decide which label is right; exclude or relabel the other files in the table of {EDIT}.",
    )  # fmt: skip


def _labels(findings: Findings) -> Item:
    return Item(
        "labels", "likely wrong labels", len(findings.label_issues), ("likely wrong label", "likely wrong labels"), FIX,
        "review each; some will be right",
        "A classifier trained on the other images disagrees with these labels. The likeliest errors come first; some of "
        "the labels will be right.",
        f"Review each, and correct the column `label` in the table of {EDIT}.",
    )  # fmt: skip


def _leaks(findings: Findings) -> Item:
    return Item(
        "leaks", "leaks", int(findings.leaks["leak"].astype(bool).sum()), ("leak", "leaks"), FIX,
        "a property of the file gives the class away; treat all classes alike",
        "A property of the file, not of its content, predicts the class better than always naming the largest one. A network may learn "
        "that property instead of the content, and then fail on files from elsewhere.",
        "Treat all classes alike (source, size, format, border), or make sure that files in production differ in the same way.",
    )  # fmt: skip


def _lesser(findings: Findings) -> list[Item]:
    near, same = findings.near_duplicates, findings.duplicates
    inside = near["set"].nunique() - findings.across["set"].nunique()
    plain = same[~same["contradiction"].astype(bool)]
    return [
        Item(
            "near", "near duplicates inside one split", inside,
            ("set of near duplicates inside one split", "sets of near duplicates inside one split"), LOOK,
            "such an image has more weight than others",
            "Nearly identical images, all in one split: test accuracy is not inflated, but such an image has more weight than others.",
            f"Leave them, or exclude the extra ones in the table of {EDIT}.",
        ),
        Item(
            "outliers", "outliers", len(findings.outliers), ("outlier", "outliers"), LOOK,
            "far from their own class; exclude what does not belong",
            "Images far from all others of their own class: some do not belong to the class, some are only rare.",
            f"Exclude or relabel what does not belong in the table of {EDIT}; keep what is only rare.",
        ),
        Item(
            "quality", "images that show little", _files(findings, "quality"), ("image that shows little", "images that show little"), LOOK,
            "dark, blurred, blank, tiny, or very long and narrow",
            "Dark, blurred or blank images, images of few pixels, and very long or narrow ones: the network may see little in them.",
            f"Exclude those that show nothing of their class in the table of {EDIT}. The limits are those of `check` in the configuration.",
        ),
        Item(
            "unused", "files that are not used", _files(findings, "unused"),
            ("file that is not used", "files that are not used"), LOOK,
            "skipped",
            "Files that were skipped, listed by reason.",
            "They have no effect; replace those that should be used.",
        ),
        Item(
            "duplicates", "exact duplicates", int(plain["set"].nunique()),
            ("set of exact duplicates in one class", "sets of exact duplicates in one class"), NOTE,
            "always in the same split",
            "Files with the same bytes in one class. They are always in the same split, so no metric is inflated, but such a "
            "image has more weight than others.",
            f"No action is needed; the extra ones can be excluded in the table of {EDIT}.",
        ),
        Item(
            "kinds", "unusual files", _files(findings, "kinds"), ("unusual file", "unusual files"), NOTE,
            "used after conversion",
            "Files that are converted before they are used. One file can be of several kinds.",
            "The conversion is named with each kind. Replace the originals where it is not what you want.",
        ),
    ]  # fmt: skip


def kinds_of(findings: Findings, key: str) -> pd.DataFrame:
    """Return the rows of the table of kinds that belong to a finding: `unused`, `quality` or `kinds`.

    A kind that most used images are of is none: it is usual, and is told with formats and sizes (`usual`).
    """
    kinds = findings.kinds
    out = kinds["treatment"].astype(str).str.startswith("not used").astype(bool)
    rare, poor = ~_usual(findings, kinds), kinds["kind"].isin(POOR_IMAGES)
    return kinds[{"unused": out, "quality": ~out & rare & poor, "kinds": ~out & rare & ~poor}[key]]


def usual(findings: Findings) -> list[str]:
    """Return a sentence for each kind that most of the used images are of."""
    images, kinds = int(findings.classes["images"].sum()), findings.kinds
    out = kinds["treatment"].astype(str).str.startswith("not used").astype(bool)
    return [
        f"{'All' if row.images >= images else f'{row.images:,} of'} {images:,} images: {row.kind} ({row.treatment})."
        for row in kinds[~out & _usual(findings, kinds)].itertuples()
    ]


def _usual(findings: Findings, kinds: pd.DataFrame) -> "pd.Series[bool]":
    return (kinds["images"].astype(int) > _USUAL * int(findings.classes["images"].sum())).astype(bool)


def _files(findings: Findings, key: str) -> int:
    return int(kinds_of(findings, key)["images"].sum())
