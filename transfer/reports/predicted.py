"""What `transfer predict` says when it is done: a table of few images, the counts of many."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from transfer.reports.names import padded, printable

_FEW = 100  # files that are shown one by one, at most
_CLASSES = 20
_WIDEST = 30
UNKNOWN = "unlike anything seen in training"


@dataclass
class Summary:
    """Counts of predictions, and the first of them.

    Attributes:
        files: how many there were.
        classes: images of each class.
        unknown: classified images that are unlike anything seen in training.
        errors: files of each reason.
        examples: a path for each reason.
        first: the first rows.
    """

    files: int = 0
    unknown: int = 0
    classes: "Counter[str]" = field(default_factory=Counter)
    errors: "Counter[str]" = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    first: pd.DataFrame | None = None

    @property
    def failed(self) -> int:
        """Files that were not classified."""
        return self.errors.total()

    def add(self, table: pd.DataFrame) -> None:
        """Count further rows, with the columns path, label, score, is_ood and error."""
        self.files += len(table)
        bad = table["error"] != ""
        good = table[~bad]
        self.classes.update(good["label"])
        self.unknown += int(good["is_ood"].sum())
        for path, error in zip(table.loc[bad, "path"], table.loc[bad, "error"], strict=True):
            reason = error.partition(":")[0] if error.startswith("too large") else error
            self.errors[reason] += 1
            self.examples.setdefault(reason, path)
        if self.first is None or len(self.first) <= _FEW:
            shown = table.loc[: _FEW + 1, ["path", "label", "score", "is_ood", "error"]]
            self.first = shown if self.first is None else pd.concat([self.first, shown], ignore_index=True)


def block(summary: Summary, output: Path | None = None) -> str:
    """Return what is printed.

    Args:
        summary: of all files.
        output: where the table was written; none: few files are shown one by one.
    """
    if output is None and summary.files <= _FEW and summary.first is not None:
        return _table(summary.first)
    classified = f"{summary.files - summary.failed:,} {'image' if summary.files - summary.failed == 1 else 'images'} classified"
    lines = [f"{classified}, {summary.failed:,} not" + (f": {printable(str(output))}" if output else "")]
    width = min(max((len(printable(name)) for name in summary.classes), default=0), _WIDEST)
    ranked = summary.classes.most_common()
    lines += [f"  {padded(printable(name), width)}  {count:9,}" for name, count in ranked[:_CLASSES]]
    if len(ranked) > _CLASSES:
        rest = ranked[_CLASSES:]
        more = f"{len(rest):,} more {'class' if len(rest) == 1 else 'classes'}"
        lines.append(f"  {padded(more, max(width, len(more)))}  {sum(count for _, count in rest):9,}")
    if summary.unknown:
        lines.append(f"{summary.unknown:,} of them {'is' if summary.unknown == 1 else 'are'} {UNKNOWN}")
    for reason, count in summary.errors.most_common():
        lines.append(f"not classified: {count:,} {printable(reason)}, such as {printable(summary.examples[reason])}")
    if output is None:
        lines.append("Name an --output (.csv, .parquet) for the table of all.")
    return "\n".join(lines)


def _table(rows: pd.DataFrame) -> str:
    width = min(max([5, *(len(printable(label)) for label in rows["label"])]), _WIDEST)
    lines = [f"{'class':{width}}  probability  path"]
    for row in rows.itertuples():
        figure = f"{row.score:11.3f}" if not row.error else f"{'-':>11}"
        remark = row.error or (UNKNOWN if row.is_ood else "")
        after = f"  ({printable(remark)})" if remark else ""
        lines.append(f"{padded(printable(row.label), width)}  {figure}  {printable(row.path)}{after}")
    return "\n".join(lines)
