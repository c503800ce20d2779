"""Options shared by commands: data and configuration of `fit` and `check`, trust in a run; and what an unknown option may have meant."""

import difflib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from transfer.cli import completion

if TYPE_CHECKING:
    from transfer.config import DataConfig

DATA = typer.Argument(
    metavar="DATA",
    help="Folder DATA/<class>/... or DATA/train|val|test/<class>/..., also as a .zip or .tar; table (.csv, .parquet), s3://BUCKET/..., or "
    "tfds:NAME.",
)
RUN = typer.Argument(help="Name of a run under saved_models, or its folder.", autocompletion=completion.runs)
BACKBONE = typer.Option(autocompletion=completion.networks, help="vgg16, inception_v3, ..., or lenet.")
CONFIG = typer.Option(help="Configuration file (YAML).")
SETTINGS = typer.Option("--set", metavar="KEY=VALUE", help="Any key of the configuration.")
ROOT = typer.Option(help="Folder that the paths in a table are relative to. Default: its own.")
TFDS_DATA_DIR = typer.Option("--tfds-data-dir", help="Folder of TFDS data sets.")
GROUP_BY = typer.Option(
    "--group-by", metavar="HOW", help="Keep groups in one split: regular expression on the path, table column, or near-duplicates."
)
TRUST = typer.Option("--trust", help="Load the run's models even if they can read or write files, or start programs.")
COMPUTE = typer.Option("--compute", metavar="auto|tensorflow|openvino", help="Engine; auto: the faster one on this machine, if both agree.")
ENGINE = typer.Option("--engine", metavar="local|ray", help="Where work over many images or trials runs: here, or on a Ray cluster.")
LOG = typer.Option("--log", metavar="tensorboard|mlflow", help="Also record it there (logging.*); repeatable.")
MIN_PER_CLASS = typer.Option("--min-per-class", metavar="N", help="Leave out classes with fewer images.")


def layers(
    config: Path | None,
    settings: list[str] | None,
    backbone: str | None,
    root: Path | None,
    tfds_data_dir: Path | None,
    group_by: str | None,
    min_per_class: int | None,
    engine: str | None = None,
    log: list[str] | None = None,
) -> list[dict[str, Any]]:
    """Return the settings of a command; later ones override earlier ones: file, --set, the other options."""
    from transfer.config import parse_assignment, read_yaml
    from transfer.data.storage import absolute

    layers = [read_yaml(config)] if config else []
    layers += [parse_assignment(text) for text in settings or []]
    options = {
        "backbone": backbone, "data.root": root, "data.tfds_data_dir": tfds_data_dir, "data.group_by": group_by,
        "data.min_per_class": min_per_class, "engine.kind": engine, "logging.to": log or None,
    }  # fmt: skip
    given = {key: absolute(value) if isinstance(value, Path) else value for key, value in options.items() if value is not None}
    return [*layers, given]


def own_data(data: "DataConfig") -> list[Path]:
    """Return the files and folders of the user that a configuration names."""
    from transfer.data import sources

    return list(sources.own(data))


def setting_for(option: str, arguments: Sequence[str], prefix: str = "", exactly: bool = False) -> str | None:
    """Return the `--set` that an unknown option may have meant: `--epochs` in `fit DATA --epochs 5` is `--set training.epochs=5`.

    Args:
        option: with its hyphens.
        arguments: of the command line, to find the value.
        prefix: of configuration keys in the settings of the command, such as `common.`.
        exactly: only where it is the name of a key, not where it is merely like one.
    """
    from transfer.config import Config, keys, last_parts

    names = {key.replace(".", "_"): key for key in keys()} | last_parts()
    word = option.lstrip("-").replace("-", "_").replace(".", "_").lower()
    near = difflib.get_close_matches(word, names, n=1, cutoff=1.0 if exactly else 0.75)
    if not near:
        return None
    key = names[near[0]]
    given = next((number for number, text in enumerate(arguments) if text.partition("=")[0] == option), len(arguments))
    after = arguments[given + 1 : given + 2]
    if "=" in "".join(arguments[given : given + 1]):
        value = arguments[given].partition("=")[2]
    elif isinstance(functools.reduce(getattr, key.split("."), Config()), bool):
        value = "true"
    else:
        value = after[0] if after and not after[0].startswith("--") else "VALUE"
    return f"--set {prefix}{key}={value}"
