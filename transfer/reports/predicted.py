"""The output of `transfer predict`: a table of few images, counts of many."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from transfer.reports.names import printable, shortened
from transfer.reports.terminal import table
from transfer.reports.words import counted

_FEW = 100  # files shown one by one, at most
_CLASSES = 20
_WIDEST = 30
OUT_OF_DISTRIBUTION = "out of distribution"


@dataclass
class Summary:
    """Counts of predictions, and the first of them.

    Attributes:
        files: number of all files.
        classes: images of each class.
        is_ood: classified images that are out of distribution.
        errors: files of each reason.
        examples: a path for each reason.
        first: the first rows.
    """

    files: int = 0
    is_ood: int = 0
    classes: "Counter[str]" = field(default_factory=Counter)
    errors: "Counter[str]" = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    first: pd.DataFrame | None = None

    @property
    def failed(self) -> int:
        """Files that were not classified."""
        return self.errors.total()

    def add(self, rows: pd.DataFrame) -> None:
        """Count further rows, a table with the columns path, label, score, is_ood and error."""
        self.files += len(rows)
        bad = rows["error"] != ""
        good = rows[~bad]
        self.classes.update(good["label"])
        self.is_ood += int(good["is_ood"].sum())
        for path, error in zip(rows.loc[bad, "path"], rows.loc[bad, "error"], strict=True):
            reason = error.partition(":")[0] if error.startswith("too large") else error
            self.errors[reason] += 1
            self.examples.setdefault(reason, path)
        if self.first is None or len(self.first) <= _FEW:
            shown = rows.loc[: _FEW + 1, ["path", "label", "score", "is_ood", "error"]]
            self.first = shown if self.first is None else pd.concat([self.first, shown], ignore_index=True)


def block(summary: Summary, output: str | Path | None = None) -> str:
    """Return what is printed.

    Args:
        summary: of all files.
        output: where the table was written; none: few files are shown one by one.
    """
    if output is None and summary.files <= _FEW and summary.first is not None:
        return _table(summary.first)
    classified = f"{counted(summary.files - summary.failed, 'image')} classified"
    lines = [f"{classified}, {summary.failed:,} not" + (f": {printable(str(output))}" if output else "")]
    ranked = summary.classes.most_common()
    shown = [(shortened(printable(name), _WIDEST), f"{count:,}") for name, count in ranked[:_CLASSES]]
    if rest := ranked[_CLASSES:]:
        shown.append((counted(len(rest), "more class", "more classes"), f"{sum(count for _, count in rest):,}"))
    lines += table(["", ""], shown, indent=2)
    if summary.is_ood:
        lines.append(f"{summary.is_ood:,} of them {'is' if summary.is_ood == 1 else 'are'} {OUT_OF_DISTRIBUTION}")
    for reason, count in summary.errors.most_common():
        lines.append(f"not classified: {count:,} {printable(reason)}, such as {printable(summary.examples[reason])}")
    if output is None:
        lines.append("Name an --output (.csv, .parquet) for the table of all.")
    return "\n".join(lines)


def _table(rows: pd.DataFrame) -> str:
    shown = []
    for row in rows.itertuples():
        remark = row.error or (OUT_OF_DISTRIBUTION if row.is_ood else "")
        after = f"  ({printable(remark)})" if remark else ""
        label = shortened(printable(row.label), _WIDEST)
        shown.append((label, "-" if row.error else f"{row.score:.3f}", printable(row.path) + after))
    return "\n".join(table(["class", "probability", "path"], shown, left=(0, 2)))
