"""What was found, in the order in which a person should deal with it: the words of the terminal and of the pages."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from transfer.quality.findings import Findings

MEND, LOOK, NOTE = "mend first", "worth a look", "dealt with"
"""How urgent: the figures cannot be trusted before it is mended; a person should look; nothing needs to be done."""

EDIT = "`transfer check DATA --write-manifest FILE.csv`"
GROUP = "`transfer fit DATA --group-by near-duplicates`"

_TABLES = {"across": "near_duplicates", "near": "near_duplicates", "labels": "label_issues", "outliers": "outliers"}
"""The tables that kinds of findings are made of, where their check may be left out."""


@dataclass(frozen=True)
class Item:
    """One kind of finding. Commands in `meaning` and `action` stand between backticks.

    Attributes:
        key: name of its section in the page.
        title: heading of its section.
        count: how many.
        unit: what is counted, singular and plural.
        urgency: `MEND`, `LOOK` or `NOTE`.
        brief: what it is, or what to do, in a few words.
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
        """`1 pair of near copies across splits`, `1,200 likely wrong labels`."""
        return counted(self.count, *self.unit)


def items(findings: Findings) -> list[Item]:
    """Return every kind of finding, also those that did not occur (count 0), the most urgent first."""
    return [_across(findings), _contradictions(findings), _labels(findings), _leaks(findings), *_lesser(findings)]


def absent(findings: Findings) -> list[str]:
    """Return the titles of what was looked for and not found."""
    left_out = {key for key, table in _TABLES.items() if table in findings.unchecked}
    if "splits" in findings.unchecked:
        left_out.add("across")
    return [item.title for item in items(findings) if not item.count and item.key not in left_out]


def sentence(findings: Findings) -> str:
    """Return the result in one sentence or two."""
    images = int(findings.classes["images"].sum())
    start = f"{counted(images, 'image', 'images')} in {counted(len(findings.classes), 'class', 'classes')}."
    found = [item for item in items(findings) if item.count]
    mend = [item.phrase for item in found if item.urgency == MEND]
    look = [item.phrase for item in found if item.urgency == LOOK]
    nothing = f"Nothing that must be mended was found{' by the checks that ran' if findings.notes else ''}."
    if mend:
        return f"{start} Mend first: {enumerated(mend)}."
    if look:
        return f"{start} {nothing} Worth a look: {enumerated(look)}."
    return f"{start} {nothing}"


def counted(count: int, one: str, many: str) -> str:
    """Return `1 image` or `1,200 images`."""
    return f"{count:,} {one if count == 1 else many}"


def enumerated(phrases: Iterable[str]) -> str:
    """Return `a, b and c`."""
    *first, last = phrases
    return f"{', '.join(first)} and {last}" if first else last


def _across(findings: Findings) -> Item:
    pairs = findings.across
    differ = int((pairs["label"] != pairs["other_label"]).sum())
    under = f" {differ:,} of the pairs {'has' if differ == 1 else 'have'} two different labels." if differ else ""
    return Item(
        "across", "near copies across splits", len(pairs),
        ("pair of near copies across splits", "pairs of near copies across splits"), MEND,
        "the test figure flatters; keep copies together",
        "Two images that are nearly the same lie in different splits: what is tested was seen in training, so the test figure "
        f"is better than the truth.{under}",
        f"Keep copies together with {GROUP}, or exclude one of each pair in the table of {EDIT}.",
    )  # fmt: skip


def _contradictions(findings: Findings) -> Item:
    return Item(
        "contradictions", "contradictions", findings.contradictions, ("contradiction", "contradictions"), MEND,
        "the same file in several classes; at most one label is right",
        "The very same file lies in several classes: at most one of its labels is right.",
        f"Decide which label is right; exclude or relabel the other files in the table of {EDIT}.",
    )  # fmt: skip


def _labels(findings: Findings) -> Item:
    return Item(
        "labels", "likely wrong labels", len(findings.label_issues), ("likely wrong label", "likely wrong labels"), MEND,
        "look at each; some will be right",
        "A classifier trained on the other images does not believe these labels. The likeliest mistakes come first; some of "
        "the labels will be right.",
        f"Look at each, and correct the column `label` in the table of {EDIT}.",
    )  # fmt: skip


def _leaks(findings: Findings) -> Item:
    return Item(
        "leaks", "leaks", int(findings.leaks["leak"].astype(bool).sum()), ("leak", "leaks"), MEND,
        "the file alone gives the class away; treat all classes alike",
        "A property of the file alone, not of what it shows, tells the class better than chance. A network may learn that "
        "instead of the image, and will then fail on files from elsewhere.",
        "Give all classes the same treatment (source, size, format, border), or make sure that the files met in use differ "
        "in the same way.",
    )  # fmt: skip


def _lesser(findings: Findings) -> list[Item]:
    near, same, kinds = findings.near_duplicates, findings.duplicates, findings.kinds
    inside = near["set"].nunique() - findings.across["set"].nunique()
    plain = same[~same["contradiction"].astype(bool)]
    out = unused(kinds)
    return [
        Item(
            "near", "near copies inside one split", inside,
            ("set of near copies inside one split", "sets of near copies inside one split"), LOOK,
            "such an image counts several times",
            "Images that are nearly the same, all in one split: the test figure is not touched, but such an image counts "
            "several times.",
            f"Leave them, or exclude the spare ones in the table of {EDIT}.",
        ),
        Item(
            "outliers", "outliers", len(findings.outliers), ("outlier", "outliers"), LOOK,
            "far from their own class; exclude what does not belong",
            "Images far from all others of their own class: some show something else altogether, some are only rare.",
            f"Exclude or relabel what does not belong in the table of {EDIT}; keep what is only rare.",
        ),
        Item(
            "unused", "files that are not used", int(kinds.loc[out, "images"].sum()),
            ("file that is not used", "files that are not used"), LOOK,
            "passed over",
            "Files that were passed over, each for the reason that heads its list.",
            "They are passed over and change nothing; replace those that should count.",
        ),
        Item(
            "duplicates", "exact duplicates", int(plain["set"].nunique()),
            ("set of exact duplicates in one class", "sets of exact duplicates in one class"), NOTE,
            "never divided between splits",
            "Files with the same bytes in one class. They are never divided between splits, so no figure suffers, but such a "
            "image counts several times.",
            f"Nothing must be done; the spare ones can be excluded in the table of {EDIT}.",
        ),
        Item(
            "kinds", "peculiar files", int(kinds.loc[~out, "images"].sum()), ("peculiar file", "peculiar files"), NOTE,
            "used, after a special treatment",
            "Files that are used, with a special treatment. One file can be of several kinds.",
            "What is done is said with each kind. Replace the originals where that is not what you want.",
        ),
    ]  # fmt: skip


def unused(kinds: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows of the table of kinds are files that are not used."""
    return kinds["treatment"].astype(str).str.startswith("not used").astype(bool)
