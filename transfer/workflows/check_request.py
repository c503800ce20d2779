"""What `transfer check` is to do, checked as far as it can be before TensorFlow takes its seconds to start."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.config import Config
from transfer.data import sources
from transfer.errors import DataError
from transfer.quality import folder, worksheet
from transfer.workflows.requests import data_name, with_source

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

DEFAULT_OUTPUT = "data_checks"


@dataclass(frozen=True)
class CheckPlan:
    """One look at a data set: complete configuration, and what will be written where."""

    config: Config
    output: Path
    write_manifest: Path | None


def check_plan(
    data: "str | os.PathLike[str] | DatasetBuilder | None",
    layers: Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str] | None = None,
    write_manifest: str | os.PathLike[str] | None = None,
) -> CheckPlan:
    """Settle what a check will do; see `inspection.check` for the arguments.

    Raises:
        ConfigError: for settings that cannot be.
        DataError: where there is no such source, or the result cannot be written where it should be.
    """
    config = with_source(data, layers)
    target = Path(output) if output is not None else Path(DEFAULT_OUTPUT) / data_name(str(config.data.source))
    folder.require_free(target, sources.own(config.data))
    table = Path(write_manifest) if write_manifest is not None else None
    if table is not None:
        worksheet.require_free(table, sources.own(config.data))
        if table.absolute().is_relative_to(target.absolute()):
            raise DataError(
                "--write-manifest lies in the folder of the result, which the next check replaces. Choose another place. "
                f"Received {str(table)!r}."
            )
    return CheckPlan(config, target, table)
