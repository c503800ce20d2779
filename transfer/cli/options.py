"""Options shared by `fit` and `check`: data and configuration."""

from pathlib import Path
from typing import Any

import typer

DATA = typer.Argument(
    metavar="DATA", help="Folder DATA/<class>/... or DATA/train|val|test/<class>/..., table (.csv, .parquet), or tfds:NAME."
)
BACKBONE = typer.Option(help="vgg16, inception_v3, ..., or lenet.")
CONFIG = typer.Option(help="Configuration file (YAML).")
SETTINGS = typer.Option("--set", metavar="KEY=VALUE", help="Any key of the configuration.")
ROOT = typer.Option(help="Folder that the paths in a table are relative to. Default: its own.")
TFDS_DATA_DIR = typer.Option("--tfds-data-dir", help="Folder of TFDS data sets.")
GROUP_BY = typer.Option(
    "--group-by", metavar="HOW", help="Keep groups in one split: regular expression on the path, table column, or near-duplicates."
)
MIN_PER_CLASS = typer.Option("--min-per-class", metavar="N", help="Leave out classes with fewer images.")


def layers(
    config: Path | None,
    settings: list[str] | None,
    backbone: str | None,
    root: Path | None,
    tfds_data_dir: Path | None,
    group_by: str | None,
    min_per_class: int | None,
) -> list[dict[str, Any]]:
    """Return the settings of a command; later ones override earlier ones: file, --set, the other options."""
    from transfer.config import parse_assignment, read_yaml

    layers = [read_yaml(config)] if config else []
    layers += [parse_assignment(text) for text in settings or []]
    options = {
        "backbone": backbone, "data.root": root, "data.tfds_data_dir": tfds_data_dir, "data.group_by": group_by,
        "data.min_per_class": min_per_class,
    }  # fmt: skip
    given = {key: str(value.absolute()) if isinstance(value, Path) else value for key, value in options.items() if value is not None}
    return [*layers, given]
