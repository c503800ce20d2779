"""`transfer report`."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from transfer.cli import options


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
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

    if other is not None:
        from transfer.workflows import ood

        print(text.other_data(other.name, ood.evaluate_other(opened, other, terminal)))
    for line in report.again(Run(run, trust), terminal):
        print(line)
    print(f"Report         {opened.report}")
    if open_it and not webbrowser.open(opened.report.absolute().as_uri()):
        print("No browser could be started. Open the file in your browser.")
