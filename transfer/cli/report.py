"""`transfer report`."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from transfer.cli import options
from transfer.cli.console import show, tell


def report(
    run: Annotated[Path, options.RUN],
    other: Annotated[
        Path | None, typer.Option(help="Images of other data, to measure how well they are detected; saved in the run's metrics.")
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    trust: Annotated[bool, options.TRUST] = False,
) -> None:
    """Write the report.html of a run again."""
    from transfer.runs import Run

    opened = Run(run, trust)
    from transfer.workflows.run_requests import require_report

    require_report(opened, other)
    from transfer.cli.terminal import started

    terminal = started()
    from transfer.reports.run import text
    from transfer.workflows import report

    measured = None
    if other is not None:
        from transfer.workflows import ood

        measured = ood.evaluate_other(opened, other, terminal)
    notes = report.again(Run(run, trust), terminal)
    lines = [] if other is None or measured is None else [text.other_data(other.name, measured)]
    lines += [*notes, f"Report         {opened.report}"]
    show("\n".join(lines), {"report": opened.report, "other_data": measured, "notes": notes})
    if open_it and not webbrowser.open(opened.report.absolute().as_uri()):
        tell("No browser could be started. Open the file in your browser.")
