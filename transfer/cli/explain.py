"""The command line of `transfer explain`."""

from pathlib import Path
from typing import Annotated

import typer

from transfer.cli import options
from transfer.cli.console import show

_CLASS = typer.Option("--class", metavar="NAME", help="Also draw the heat map of this class; can be repeated.")
_LAYER = typer.Option("--layer", metavar="NAME", help="Show the activations of this layer instead of three by default; can be repeated.")


def explain(
    run: Annotated[Path, options.RUN],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Images, or folders of images.")],
    output: Annotated[Path | None, typer.Option(help="Folder for the PNG files. Default: explanations/<name of the run>.")] = None,
    classes: Annotated[list[str] | None, _CLASS] = None,
    layers: Annotated[list[str] | None, _LAYER] = None,
    trust: Annotated[bool, options.TRUST] = False,
) -> None:
    """Draw where the network looks in images (Grad-CAM), its first filters and its activation maps."""
    from transfer.runs import Run
    from transfer.workflows.run_requests import explain_request

    request = explain_request(Run(run, trust), paths, output, classes or [], layers or [])
    from transfer.cli.terminal import started

    terminal = started()
    from transfer.reports.explanation import text
    from transfer.workflows import explain

    done = explain.carry_out(request, terminal)
    facts = explain.summary(done)
    show(text.block(**facts), facts)
    if any(item.error for item in done.images):
        raise typer.Exit(1)
