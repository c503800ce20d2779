"""`transfer tune`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from transfer.cli.console import show
from transfer.cli.options import DATA, ENGINE, LOG, own_data

_CONFIG = typer.Option(help="Settings of the search (YAML), such as configs/tune.yaml.")
_SETTINGS = typer.Option(
    "--set", metavar="KEY=VALUE", help="Any setting: space.head.dense=[64,256], common.data.test=0.2, repeats=2. See configs/tune.yaml."
)
_NAME = typer.Option(help="Name of the search and of its run. Default: that of the data, and -tuned.")
_TRIALS = typer.Option(help="Trials in all. Default: 100, of networks from scratch 12. With more, an earlier search goes on.")
_TIMEOUT = typer.Option(metavar="SECONDS", help="End after the batch in which so many seconds have passed.")
_FOLDS = typer.Option(help="Folds of the cross-validation of each trial. Default: 5. Networks from scratch have one validation split.")
_CHOOSE = typer.Option(metavar="RULE", help="What is fitted: one_standard_error (the simplest that is about as good as the best), or best.")
_BACKBONES = typer.Option(
    metavar="NAMES", help="Backbones to try, each one pass over the images: vgg16,inception_v3. Or networks from scratch: lenet."
)
_SIZES = typer.Option(metavar="PIXELS", help="Sides of the images to try: 96,224.")


def tune(
    data: Annotated[str | None, DATA] = None,
    config: Annotated[Path | None, _CONFIG] = None,
    settings: Annotated[list[str] | None, _SETTINGS] = None,
    trials: Annotated[int | None, _TRIALS] = None,
    timeout: Annotated[float | None, _TIMEOUT] = None,
    folds: Annotated[int | None, _FOLDS] = None,
    choose: Annotated[str | None, _CHOOSE] = None,
    backbones: Annotated[str | None, _BACKBONES] = None,
    sizes: Annotated[str | None, _SIZES] = None,
    engine: Annotated[str | None, ENGINE] = None,
    log: Annotated[list[str] | None, LOG] = None,
    name: Annotated[str | None, _NAME] = None,
    output: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("saved_models"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew, and replace the run of this name.")] = False,
) -> None:
    """Search the best head on features that are computed once, or the best network from scratch, and fit it.

    Run it again to continue, or with more --trials.
    """
    from transfer.config import yaml_text
    from transfer.config.tuning import parse_assignment, read_yaml
    from transfer.workflows.tune_requests import tune_request

    layers: list[dict[str, Any]] = [read_yaml(config)] if config else []
    layers += [parse_assignment(text) for text in settings or []]
    options: dict[str, Any] = {
        "trials": trials,
        "timeout": timeout,
        "folds": folds,
        "choose": choose,
        "backbones": backbones,
        "sizes": sizes,
    }
    options |= {"common.engine.kind": engine, "common.logging.to": log or None}
    layers.append({key: value for key, value in options.items() if value is not None})
    request = tune_request(data, layers, name, output, overwrite)
    from transfer.cli.terminal import started

    terminal = started(yaml_text.dump(request.settings.model_dump(mode="json")), own_data(next(iter(request.configs.values())).data))
    from transfer.reports import documents
    from transfer.reports.run import text
    from transfer.reports.tuning.text import table
    from transfer.workflows import tune as module

    run = module.carry_out(request, terminal)
    show(f"{table(run)}\n{text.block(run)}", documents.tuned(run))
