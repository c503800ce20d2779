"""What the checks of a data set found, in a few lines for the terminal, of at most 100 columns."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from rich.cells import cell_len

from transfer.quality.findings import Findings
from transfer.reports.findings import FIX, LOOK, NOTE, Item, absent, items, kinds_of, usual, without
from transfer.reports.names import printable, shortened
from transfer.reports.terminal import columns, table, wrapped
from transfer.reports.words import listed
from transfer.system import shell

_WIDTH = 100
_NARROWEST = 60  # columns; on narrower terminals lines are broken by the terminal
_LABEL = 15  # columns of the label at the left, as in the text of a run
_COUNT = 8  # columns of the count of a finding
_ALL_CLASSES = 20  # more than these are not listed one by one
_ENDS = 5  # of these, the largest and the smallest
_LONGEST_CLASS = 36
_COUNTS = 50  # columns of the counts beside a class, about
_EXAMPLES = 4
_MARKS = {FIX: "!", LOOK: "?", NOTE: "-"}


def block(
    findings: Findings,
    seconds: dict[str, float] | None,
    report: Path | None,
    data: str = "DATA",
    root: str = "ROOT",
    options: str = "",
    worksheet: str = "",
    width: int = _WIDTH,
) -> str:
    """Return what a person wants to know at the end of a check.

    Args:
        findings: what was found.
        seconds: of each step; none: not said.
        report: path of the page; none: not said.
        data: the source as the user gave it, for the suggested commands.
        root: where the paths of the source start.
        options: of the command line that the source needs beside its name, ` --root images`.
        worksheet: file of the manifest written for editing; empty: none was.
        width: columns of the terminal.
    """
    width = min(max(width, _NARROWEST), _WIDTH)
    lines = ["", *_classes(findings.classes, width), *(line for said in without(findings) for line in wrapped(said, width=width))]
    lines += ["", *_shapes(findings, width), *(line for said in usual(findings) for line in wrapped(printable(said), width)), ""]
    found = [item for item in items(findings) if item.count]
    for urgency in (FIX, LOOK, NOTE):
        chosen = [item for item in found if item.urgency == urgency]
        lines += [f"{urgency.capitalize()}:"] * bool(chosen)
        for item in chosen:
            lines += _finding(item, findings, width)
    if not found:
        lines.append("Nothing found by the checks that ran." if findings.notes else "Nothing found.")
    elif titles := absent(findings):
        lines += _entry("None found", ", ".join(titles), width)
    for note in findings.notes:
        lines += _entry("Not checked", printable(note.removeprefix("Not checked: ")), width)
    lines.append("")
    if seconds:
        lines += _entry("Seconds", ", ".join(f"{step} {value:.1f}" for step, value in seconds.items()), width)
    if report is not None:
        lines.append(f"{'Report':{_LABEL}}{printable(str(report))}")
    return "\n".join([*lines, *_next(findings, found, f"{shell.quoted(data)}{printable(options)}", root, worksheet)])


def line(findings: Findings, config: Path) -> str:
    """Return what `fit` says of its own data: only findings that make its metrics doubtful; empty where there are none.

    `config`: the run's configuration, with which the data can be looked at again as it was.
    """
    found = [item.phrase for item in items(findings) if item.count and item.urgency == FIX]
    if not found:
        return ""
    return "\n".join(
        [*wrapped(f"The data has {listed(found)}. See the report, or:", columns()), shell.command("check", "--config", config)]
    )


def _classes(classes: pd.DataFrame, width: int) -> list[str]:
    ordered = classes.sort_values("images", ascending=False, kind="stable")
    folded = len(ordered) > _ALL_CLASSES
    longest = min(_LONGEST_CLASS, width - _COUNTS)
    rows = [
        [shortened(printable(str(row.label)), longest), f"{row.images:,}", f"{100 * row.share:.1f} %"]
        + [f"{count:,}" for count in (row.train, row.validation, row.test)]
        for row in (pd.concat([ordered.head(_ENDS), ordered.tail(_ENDS)]) if folded else ordered).itertuples()
    ]
    if len(ordered) > 1:
        images, *splits = (f"{int(ordered[name].sum()):,}" for name in ("images", "train", "validation", "test"))
        rows.append([f"{len(ordered):,} classes", images, "", *splits])
    lines = table(["class", "images", "share", "train", "validation", "test"], rows)
    if folded:
        between = ordered.iloc[_ENDS:-_ENDS]["images"]
        lines.insert(1 + _ENDS, f"... {len(between):,} more classes, of {between.max():,} to {between.min():,} images ...")
    return lines


def _shapes(findings: Findings, width: int) -> Iterator[str]:
    formats = [f"{row.images:,} {printable(str(row.format))}" for row in findings.formats.itertuples()]
    yield from _entry("Formats", ", ".join(formats) or "none", width)
    sizes = {row.measure: row for row in findings.sizes.itertuples()}
    sides = [
        f"{measure} {row.smallest:,.0f} to {row.largest:,.0f} (median {row.median:,.0f})"
        for measure, row in sizes.items()
        if measure in ("width", "height")
    ]
    area = sizes.get("megapixels")
    more = f"; {area.smallest:.3g} to {area.largest:.3g} megapixels" if area is not None else ""
    if sides:
        yield from _entry("Sizes", f"{', '.join(sides)} pixels{more}", width)


def _finding(item: Item, findings: Findings, width: int) -> Iterator[str]:
    if item.key in ("kinds", "unused", "quality"):
        for row in kinds_of(findings, item.key).itertuples():
            yield from _counted(item, row.images, printable(f"{row.kind}: {str(row.treatment).removeprefix('used: ')}"), width)
        return
    what = item.unit[item.count != 1].replace("across", "ACROSS")
    yield from _counted(item, item.count, f"{what}: {item.brief}", width)
    yield from (" " * (_COUNT + 4) + text for text in _examples(item, findings, width - _COUNT - 4))


def _counted(item: Item, count: int, text: str, width: int) -> list[str]:
    return wrapped(text, width, f"{_MARKS[item.urgency]:>2}{count:{_COUNT},}  ", " " * (_COUNT + 4))


def _examples(item: Item, findings: Findings, room: int) -> Iterator[str]:
    if item.key == "across":
        for row in findings.across.head(_EXAMPLES).itertuples():
            one, other = (f" ({split})" if split else "" for split in (row.split, row.other_split))
            yield from _pair(f"{row.similarity:.3f}  ", (row.path, one), "~", (row.other_path, other), room)
    elif item.key == "contradictions":
        wrong = findings.duplicates[findings.duplicates["contradiction"].astype(bool)]
        for _, rows in list(wrong.groupby("set", sort=False))[:_EXAMPLES]:
            of_each = rows.drop_duplicates("label").index  # one file of each class first
            paths = [*rows.loc[of_each, "path"], *rows.drop(index=of_each)["path"]]
            more = f" = {len(paths) - 2} more" if len(paths) > 2 else ""
            yield from _pair("", (paths[0], ""), "=", (paths[1], more), room)
    elif item.key == "labels":
        for row in findings.label_issues.head(_EXAMPLES).itertuples():
            change = f": {shortened(printable(row.label), 20)} -> {shortened(printable(row.suggested), 20)}"
            yield shortened(printable(row.path), room - cell_len(change)) + change
    elif item.key == "leaks":
        for row in findings.leaks[findings.leaks["leak"].astype(bool)].itertuples():
            figures = f"{row.property} alone: accuracy {100 * row.accuracy:.1f} %; the largest class has {100 * row.majority:.1f} %"
            yield from wrapped(printable(f"{figures}; {row.rule}"), room, "", "  ")
    elif item.key == "outliers":
        for row in findings.outliers.head(_EXAMPLES).itertuples():
            ratio = f": {row.ratio:.1f} times the usual distance"
            yield shortened(printable(row.path), room - len(ratio)) + ratio


def _pair(start: str, one: tuple[str, str], sign: str, other: tuple[str, str], room: int) -> Iterator[str]:
    """Yield two paths, each with its remark, on one line, or on two where they are too long for one: shortened paths look alike."""
    names = [f"{printable(str(path))}{said}" for path, said in (one, other)]
    line = f"{start}{names[0]} {sign} {names[1]}"
    if cell_len(line) <= room:
        yield line
        return
    for begin, (path, said) in ((start, one), (f"{sign} ".rjust(max(len(start), 2)), other)):
        yield begin + shortened(printable(str(path)), room - len(begin) - len(said)) + said


def _next(findings: Findings, found: list[Item], name: str, root: str, worksheet: str) -> Iterator[str]:
    divided = "splits" not in findings.unchecked
    keys = {item.key for item in found}
    commands = [f"{shell.program()} fit {name} --group-by near-duplicates"] if "across" in keys else []
    wanted = bool(keys & {"contradictions", "labels", "outliers", "near", "duplicates"})
    commands += [f"{shell.program()} check {name} --write-manifest FILE.csv"] * (wanted and not worksheet)
    if wanted or worksheet:
        file = shell.quoted(worksheet) if worksheet else "FILE.csv"
        commands.append(f"{shell.program()} fit {file} --root {shell.quoted(root)}   (after editing it)")
    for number, command in enumerate(commands or [f"{shell.program()} fit {name}"] * divided):
        yield f"{'Try next' if number == 0 else '':{_LABEL}}{command}"


def _entry(label: str, text: str, width: int) -> list[str]:
    return wrapped(text, width, f"{label:{_LABEL}}", " " * _LABEL)
