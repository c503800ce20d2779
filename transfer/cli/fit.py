"""`transfer fit`."""

from pathlib import Path
from typing import Annotated

import typer

from transfer.cli.console import show
from transfer.cli.options import (
    BACKBONE,
    CONFIG,
    DATA,
    ENGINE,
    GROUP_BY,
    LOG,
    MIN_PER_CLASS,
    ROOT,
    SETTINGS,
    TFDS_DATA_DIR,
    layers,
    own_data,
)


def fit(
    data: Annotated[str | None, DATA] = None,
    backbone: Annotated[str | None, BACKBONE] = None,
    config: Annotated[Path | None, CONFIG] = None,
    settings: Annotated[list[str] | None, SETTINGS] = None,
    root: Annotated[Path | None, ROOT] = None,
    tfds_data_dir: Annotated[Path | None, TFDS_DATA_DIR] = None,
    group_by: Annotated[str | None, GROUP_BY] = None,
    min_per_class: Annotated[int | None, MIN_PER_CLASS] = None,
    engine: Annotated[str | None, ENGINE] = None,
    log: Annotated[list[str] | None, LOG] = None,
    folds: Annotated[int | None, typer.Option(metavar="K", help="Also cross-validate: K folds, a prediction for every image.")] = None,
    average_folds: Annotated[bool, typer.Option("--average-folds", help="Export the average of the heads of all folds.")] = False,
    name: Annotated[str | None, typer.Option(help="Name of the run. Default: data, backbone and time.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("saved_models"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run of this name.")] = False,
) -> None:
    """Train a classifier on images and export it."""
    from transfer.workflows.requests import cross_validation, fit_request

    given = layers(config, settings, backbone, root, tfds_data_dir, group_by, min_per_class, engine, log)
    request = fit_request(data, [*given, cross_validation(folds, average_folds)], name, output, overwrite)
    from transfer.cli.terminal import started
    from transfer.system import energy

    if request.config.energy == "auto":
        energy.look_ahead()
    terminal = started(request.config.to_yaml(), own_data(request.config.data))
    from transfer.reports import documents
    from transfer.reports.run import text
    from transfer.workflows import fit

    run = fit.carry_out(request, terminal)
    chosen = "" if run.cut_points is None else f"{text.cut_points(run.cut_points)}\n"
    show(f"{chosen}{text.block(run)}", documents.run(run))
