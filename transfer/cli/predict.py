"""The command line of `transfer predict`."""

from pathlib import Path
from typing import Annotated

import typer

from transfer.cli import options
from transfer.cli.console import show

_OUTPUT = typer.Option(
    metavar="FILE.csv|FILE.parquet|FOLDER/", help="Write a table of all files. If interrupted, run the same command to continue."
)
_SETTINGS = typer.Option("--set", metavar="engine.KEY=VALUE", help="A key of the section engine of the configuration, or data.connections.")
_BATCH = typer.Option("--batch-size", metavar="N", help="Most images given to the network at once. Default: depends on their size.")


def predict(
    run: Annotated[Path, options.RUN],
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Images, or folders of images.")],
    output: Annotated[str | None, _OUTPUT] = None,
    batch_size: Annotated[int | None, _BATCH] = None,
    compute: Annotated[str, options.COMPUTE] = "auto",
    engine: Annotated[str | None, options.ENGINE] = None,
    settings: Annotated[list[str] | None, _SETTINGS] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is at --output, once the new one is complete.")] = False,
    trust: Annotated[bool, options.TRUST] = False,
) -> None:
    """Classify images with a run's exported SavedModel."""
    from transfer.cli.terminal import started
    from transfer.config import parse_assignment
    from transfer.runs import Run
    from transfer.serving.batch.request import predict_request

    layers = [*map(parse_assignment, settings or []), {} if engine is None else {"engine.kind": engine}]
    request = predict_request(Run(run, trust), paths, output, batch_size, overwrite, compute, layers)
    terminal = started()
    from transfer.reports import documents, predicted
    from transfer.serving.batch import prediction

    summary = prediction.carry_out(request, terminal)
    show(predicted.block(summary, output), documents.predicted(summary, output))
    if summary.failed:
        raise typer.Exit(1)
