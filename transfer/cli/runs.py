"""The command line of `transfer runs`."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transfer.cli.console import show

if TYPE_CHECKING:
    from transfer.workflows.listing import ListedRun

_LONGEST, _LONGEST_DATA = 40, 30  # columns of a name
_UNITS = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))


def runs(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Folder of all runs.")] = Path("saved_models"),
) -> None:
    """List the runs of a folder, the newest first: figures, sizes, age."""
    from transfer.workflows.listing import list_runs

    found = list_runs(folder)
    show(table(found, folder), {"runs": [asdict(run) for run in found], "bytes": sum(run.bytes for run in found)})


def table(found: "list[ListedRun]", folder: Path) -> str:
    """Return the table of runs, and what is wrong with those that cannot be read."""
    from transfer.reports.terminal import columns, fitted, wrapped
    from transfer.reports.words import counted
    from transfer.system import shell
    from transfer.system.names import printable, shortened

    if not found:
        return f"There are no runs in {printable(str(folder))}. {shell.command('fit', 'YOUR_FOLDER')} makes one."
    rows = [
        [
            shortened(printable(run.name), _LONGEST), run.backbone, _known(run.image_size),
            shortened(printable(run.data), _LONGEST_DATA), _known(run.classes), _known(run.images),
            _accuracy(run),
            f"{run.bytes / 1e6:,.1f}", age(run.age),
        ]
        for run in found
    ]  # fmt: skip
    head = ["run", "backbone", "px", "data", "classes", "images", "test accuracy (95 %)", "MB", "age"]
    lines = fitted(head, rows, left=(0, 1, 3))
    lines.append(f"{counted(len(found), 'run')}, {sum(run.bytes for run in found) / 1e6:,.1f} MB")
    for run in found:
        if run.trouble:
            lines += wrapped(printable(run.trouble), columns(), f"cannot be read: {shortened(printable(run.name), _LONGEST)}: ", "  ")
    return "\n".join(lines)


def _known(number: int) -> str:
    return f"{number:,}" if number else ""


def _accuracy(run: "ListedRun") -> str:
    from transfer.reports.words import share

    low, high = run.accuracy_ci95
    return "" if math.isnan(run.accuracy) else f"{share(run.accuracy)} ({share(low)} to {share(high)})"


def age(seconds: float) -> str:
    """Return an age in its largest unit: `3 d`, `45 min`."""
    for unit, length in _UNITS:
        if seconds >= length or unit == "s":
            return f"{seconds / length:.0f} {unit}"
    raise AssertionError
