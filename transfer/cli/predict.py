"""The command line of `transfer predict`."""

from pathlib import Path
from typing import Annotated

import typer

_OUTPUT = typer.Option(metavar="FILE.csv|FILE.parquet", help="Write the table of all files there; continues where it was interrupted.")
_BATCH = typer.Option("--batch-size", metavar="N", help="Images given to the network at once; else as many as suit their size.")
_CSV = typer.Option("--csv", hidden=True)


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Images, or folders of images.")],
    output: Annotated[Path | None, _OUTPUT] = None,
    batch_size: Annotated[int | None, _BATCH] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file at --output, once the new one is whole.")] = False,
    csv: Annotated[Path | None, _CSV] = None,
) -> None:
    """Classify images with a run's exported SavedModel."""
    if csv is not None:
        raise typer.BadParameter(f"there is no --csv any more. Expected --output {str(csv)!r}")
    from transfer.cli.terminal import started
    from transfer.runs import Run
    from transfer.serving.batch.request import request

    asked = request(Run(run), paths, output, batch_size, overwrite)
    terminal = started()
    from transfer.reports import predicted
    from transfer.serving.batch import job

    summary = job.carry_out(asked, terminal)
    print(predicted.block(summary, output))
    if summary.failed:
        raise typer.Exit(1)
