"""The command line of `transfer evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from transfer.cli import options
from transfer.cli.console import show

_OUTPUT = typer.Option(help="New folder for evaluation.json, predictions.csv and skipped.csv. Default: nothing is written.")
_SETTINGS = typer.Option("--set", metavar="KEY=VALUE", help="How DATA is read: data.exclude, data.split_folders, ..., or engine.KEY.")
_BATCH = typer.Option("--batch-size", metavar="N", help="Most images given to the network at once. Default: depends on their size.")


def evaluate(
    run: Annotated[Path, options.RUN],
    data: Annotated[str, options.DATA],
    output: Annotated[Path | None, _OUTPUT] = None,
    root: Annotated[Path | None, options.ROOT] = None,
    tfds_data_dir: Annotated[Path | None, options.TFDS_DATA_DIR] = None,
    settings: Annotated[list[str] | None, _SETTINGS] = None,
    batch_size: Annotated[int | None, _BATCH] = None,
    compute: Annotated[str, options.COMPUTE] = "auto",
    engine: Annotated[str | None, options.ENGINE] = None,
    trust: Annotated[bool, options.TRUST] = False,
) -> None:
    """Judge a run on other labelled images: accuracy, confusions, and the difference to its own test."""
    from transfer.runs import Run
    from transfer.workflows.run_requests import evaluate_request

    layers = options.layers(None, settings, None, root, tfds_data_dir, None, None, engine)
    request = evaluate_request(Run(run, trust), data, layers, output, batch_size, compute)
    from transfer.cli.terminal import started

    terminal = started()
    from transfer.reports import evaluated
    from transfer.workflows import evaluate

    facts = evaluate.carry_out(request, terminal).facts()
    show(evaluated.block(facts), facts)
