"""What the checks of a data set found, in a few lines of at most 100 columns for the terminal."""

import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from rich.cells import cell_len

from transfer.checking.findings import Findings
from transfer.report.names import padded, printable, shortened
from transfer.report.summary import LOOK, MEND, NOTE, Item, enumerated, items, unused

_WIDTH = 100
_LABEL = 15  # columns of the words at the left, as in the block of a run
_COUNT = 8  # columns of the count of a finding
_ALL_CLASSES = 20  # more than these are not listed one by one
_ENDS = 5  # of these, the largest and the smallest
_LONGEST_CLASS = 36
_EXAMPLES = 4
_MARKS = {MEND: "!", LOOK: "?", NOTE: "-"}


def block(findings: Findings, seconds: dict[str, float] | None, report: Path | None, data: str = "DATA", root: str = "ROOT") -> str:
    """Return what a person wants to know at the end of a check.

    Args:
        findings: what was found.
        seconds: how long each step took; none: not said.
        report: where the page lies; none: not said.
        data: the source as the user gave it, for the commands to try next.
        root: where the paths of the source start.
    """
    lines = ["", *_classes(findings.classes), "", *_shapes(findings), ""]
    found = [item for item in items(findings) if item.count]
    for urgency in (MEND, LOOK, NOTE):
        chosen = [item for item in found if item.urgency == urgency]
        lines += [f"{urgency.capitalize()}:"] * bool(chosen)
        for item in chosen:
            lines += _finding(item, findings)
    if not found:
        lines.append("Nothing found by the checks that ran." if findings.notes else "Nothing found.")
    elif absent := [item.title for item in items(findings) if not item.count]:
        lines += _entry("None found", ", ".join(absent))
    for note in findings.notes:
        lines += _entry("Not checked", printable(note))
    lines.append("")
    if seconds:
        lines += _entry("Seconds", ", ".join(f"{step} {value:.1f}" for step, value in seconds.items()))
    if report is not None:
        lines.append(f"{'Report':{_LABEL}}{printable(str(report))}")
    return "\n".join([*lines, *_next(found, data, root)])


def line(findings: Findings) -> str:
    """Return what `fit` says of its own data: only what makes its figures doubtful; empty where there is nothing."""
    found = [item.phrase for item in items(findings) if item.count and item.urgency == MEND]
    if not found:
        return ""
    return "\n".join(_wrapped(f"The data has {enumerated(found)}. See the report, or: transfer check", "", ""))


def _classes(table: pd.DataFrame) -> Iterator[str]:
    rows = table.sort_values("pictures", ascending=False, kind="stable")
    width = min(max((cell_len(printable(str(label))) for label in table["label"]), default=0), _LONGEST_CLASS)
    sums = f"{len(rows):,} classes"
    width = max(width, len(sums))
    yield f"{'class':{width}}  pictures    share     train  validation      test"
    shown = [*rows.itertuples()] if len(rows) <= _ALL_CLASSES else [*rows.head(_ENDS).itertuples(), None, *rows.tail(_ENDS).itertuples()]
    for row in shown:
        if row is None:
            between = rows.iloc[_ENDS:-_ENDS]["pictures"]
            yield f"... {len(between):,} more classes, of {between.max():,} to {between.min():,} pictures ..."
            continue
        name = padded(printable(str(row.label)), width)
        yield f"{name}  {row.pictures:8,}  {100 * row.share:5.1f} %  {row.train:8,}  {row.validation:10,}  {row.test:8,}"
    if len(rows) > 1:
        pictures, train, validation, test = (int(rows[name].sum()) for name in ("pictures", "train", "validation", "test"))
        yield f"{sums:{width}}  {pictures:8,}  {'':7}  {train:8,}  {validation:10,}  {test:8,}"


def _shapes(findings: Findings) -> Iterator[str]:
    formats = [f"{row.pictures:,} {printable(str(row.format))}" for row in findings.formats.itertuples()]
    yield from _entry("Formats", ", ".join(formats) or "none")
    sizes = {row.measure: row for row in findings.sizes.itertuples()}
    sides = [
        f"{measure} {row.smallest:,.0f} to {row.largest:,.0f} (median {row.median:,.0f})"
        for measure, row in sizes.items()
        if measure in ("width", "height")
    ]
    area = sizes.get("megapixels")
    more = f"; {area.smallest:.3g} to {area.largest:.3g} megapixels" if area is not None else ""
    if sides:
        yield from _entry("Sizes", f"{', '.join(sides)} pixels{more}")


def _finding(item: Item, findings: Findings) -> Iterator[str]:
    if item.key in ("kinds", "unused"):
        out = unused(findings.kinds)
        for row in findings.kinds[out if item.key == "unused" else ~out].itertuples():
            yield from _counted(item, row.pictures, printable(f"{row.kind}: {str(row.treatment).removeprefix('used: ')}"))
        return
    what = item.unit[item.count != 1].replace("across", "ACROSS")
    yield from _counted(item, item.count, f"{what}: {item.brief}")
    yield from (" " * (_COUNT + 4) + text for text in _examples(item, findings))


def _counted(item: Item, count: int, text: str) -> list[str]:
    return _wrapped(text, f"{_MARKS[item.urgency]:>2}{count:{_COUNT},}  ", " " * (_COUNT + 4))


def _examples(item: Item, findings: Findings) -> Iterator[str]:
    room = _WIDTH - _COUNT - 4
    if item.key == "across":
        for row in findings.across.head(_EXAMPLES).itertuples():
            marks = [f" ({split})" if split else "" for split in (row.split, row.other_split)]
            one, other = _both(row.path, row.other_path, room - 10 - len("".join(marks)))
            yield f"{row.similarity:.3f}  {one}{marks[0]} ~ {other}{marks[1]}"
    elif item.key == "contradictions":
        wrong = findings.duplicates[findings.duplicates["contradiction"].astype(bool)]
        for _, rows in list(wrong.groupby("set", sort=False))[:_EXAMPLES]:
            of_each = rows.drop_duplicates("label").index  # one file of each class first
            paths = [*rows.loc[of_each, "path"], *rows.drop(index=of_each)["path"]]
            more = f" = {len(paths) - 2} more" if len(paths) > 2 else ""
            yield " = ".join(_both(paths[0], paths[1], room - len(more) - 3)) + more
    elif item.key == "labels":
        for row in findings.label_issues.head(_EXAMPLES).itertuples():
            change = f": {shortened(printable(row.label), 20)} -> {shortened(printable(row.suggested), 20)}"
            yield shortened(printable(row.path), room - cell_len(change)) + change
    elif item.key == "leaks":
        for row in findings.leaks[findings.leaks["leak"].astype(bool)].itertuples():
            figures = f"{row.property} alone: {100 * row.accuracy:.1f} % right; the largest class has {100 * row.majority:.1f} %"
            yield from _wrapped(printable(f"{figures}; {row.rule}"), "", "  ", room)
    elif item.key == "outliers":
        for row in findings.outliers.head(_EXAMPLES).itertuples():
            ratio = f": {row.ratio:.1f} times the usual distance"
            yield shortened(printable(row.path), room - len(ratio)) + ratio


def _both(one: str, other: str, room: int) -> tuple[str, str]:
    """Shorten two paths to `room` columns together; a short one leaves its room to the other."""
    names, half = (printable(one), printable(other)), room // 2
    wide = [cell_len(name) for name in names]
    return shortened(names[0], max(half, room - wide[1])), shortened(names[1], max(half, room - wide[0]))


def _next(found: list[Item], data: str, root: str) -> Iterator[str]:
    name = shlex.quote(printable(data))
    keys = {item.key for item in found}
    commands = [f"transfer fit {name} --group-by near-duplicates"] if "across" in keys else []
    if keys & {"contradictions", "labels", "outliers", "near", "duplicates"}:
        commands.append(f"transfer check {name} --write-manifest FILE.csv")
        commands.append(f"transfer fit FILE.csv --root {shlex.quote(printable(root))}   (after you have edited it)")
    for number, command in enumerate(commands or [f"transfer fit {name}"]):
        yield f"{'Try next' if number == 0 else '':{_LABEL}}{command}"


def _entry(label: str, text: str) -> list[str]:
    return _wrapped(text, f"{label:{_LABEL}}", " " * _LABEL)


def _wrapped(text: str, first: str, rest: str, width: int = _WIDTH) -> list[str]:
    wide = cell_len(text) - len(text)  # textwrap counts letters, a terminal columns
    return textwrap.wrap(text, max(width - wide, 40), initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
