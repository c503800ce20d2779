"""Requests: what a command will do, completed and checked before TensorFlow starts, which takes seconds."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from transfer.config import Config
from transfer.config.comparison import ComparisonConfig, build
from transfer.data import sources
from transfer.drafts import require_free, require_name
from transfer.errors import ConfigError, OutputError, RunError
from transfer.models.own import kept
from transfer.models.own.parts import NONE, Parts, completed
from transfer.quality import result_folder, worksheet
from transfer.system import energy
from transfer.workflows.comparison import folder as comparison_folder
from transfer.workflows.own_parts import of_methods, taken
from transfer.workflows.settings import data_name, resolve, with_source

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

Data: TypeAlias = "str | os.PathLike[str] | DatasetBuilder | None"
"""A folder, a table (.csv, .parquet), `tfds:NAME`, or a `tfds.core.DatasetBuilder`; none: the configuration's `data.source`."""

DEFAULT_CHECKS = "data_checks"


@dataclass(frozen=True)
class FitRequest:
    """A run to be made: its complete configuration and its folder, `output/name`.

    Attributes:
        further: name -> text of other files that the run shall hold.
        parts: what was given as Keras objects and is no setting.
    """

    config: Config
    output: Path
    name: str
    overwrite: bool
    further: Mapping[str, str] = field(default_factory=dict)
    parts: Parts = NONE


@dataclass(frozen=True)
class CheckRequest:
    """A check of a data set: its complete configuration and its output.

    Attributes:
        output: folder of the result.
        files_only: whether only the files are checked, without a network.
        write_manifest: path of the editable table; None: it is not written.
    """

    config: Config
    output: Path
    files_only: bool
    write_manifest: Path | None


@dataclass(frozen=True)
class CompareRequest:
    """A comparison: its settings, the complete configuration of each method, its folder, and what was given as Keras objects."""

    settings: ComparisonConfig
    configs: dict[str, Config]
    folder: Path
    parts: Mapping[str, Parts] = field(default_factory=dict)


def fit_request(
    data: Data,
    layers: Iterable[Mapping[str, Any]],
    name: str | None = None,
    output: str | os.PathLike[str] = "saved_models",
    overwrite: bool = False,
) -> FitRequest:
    """Return a checked request for a run; see `fit.fit` for the arguments.

    Raises:
        ConfigError: for invalid settings.
        DataError: if the source of images does not exist.
        RunError, OutputError: if the run cannot be published under its name, or the clock is so wrong that no file of it could be.
    """
    given, parts = taken(layers)
    config = with_source(data, given)
    parts = completed(config, parts)
    require_clock()
    name = name or f"{data_name(str(config.data.source))}-{kept.title(config.backbone)}-{time.strftime('%Y%m%d-%H%M%S')}"
    require_free(Path(output), name, overwrite, sources.own(config.data))
    return FitRequest(config, Path(output), name, overwrite, parts=parts)


def cross_validation(folds: int | None, average: bool) -> dict[str, Any]:
    """Return the settings of the options `--folds` and `--average-folds`; those not given leave the configuration as it is."""
    given: dict[str, Any] = {} if folds is None else {"cross_validation.folds": folds}
    return given | ({"cross_validation.average": True} if average else {})


def require_clock() -> None:
    """Check that ZIP archives, which Keras files are, can be written: their times are those of 1980 to 2107."""
    year = time.localtime().tm_year
    if not 1980 <= year <= 2107:
        raise RunError(f"The clock of this machine is wrong, and model files cannot have such a time. Set it. Received the year {year}.")


def check_request(
    data: Data,
    layers: Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str] | None = None,
    files_only: bool = False,
    write_manifest: str | os.PathLike[str] | None = None,
) -> CheckRequest:
    """Return a checked request for a check; see `check.check` for the arguments.

    Raises:
        ConfigError: for invalid settings.
        DataError: if the source of images does not exist.
        OutputError: if the result cannot be written to its folder.
    """
    config = with_source(data, taken(layers)[0])
    target = Path(output) if output is not None else Path(DEFAULT_CHECKS) / data_name(str(config.data.source))
    result_folder.require_free(target, sources.own(config.data))
    table = Path(write_manifest) if write_manifest is not None else None
    if table is not None:
        worksheet.require_free(table, sources.own(config.data))
        if table.absolute().is_relative_to(target.absolute()):
            raise OutputError(
                "--write-manifest is inside the folder of the result, which the next check replaces. Choose another path. "
                f"Received {str(table)!r}."
            )
    return CheckRequest(config, target, files_only, table)


def compare_request(
    data: Data,
    layers: Iterable[Mapping[str, Any]],
    name: str | None = None,
    output: str | os.PathLike[str] = comparison_folder.DEFAULT_OUTPUT,
) -> CompareRequest:
    """Return a checked request for a comparison; see `compare.compare` for the arguments.

    Raises:
        ConfigError: for invalid settings; names the method.
        DataError: if the source of images does not exist.
        RunError, OutputError: if the comparison cannot be written to its folder.
    """
    if name is not None:
        require_name(name)
    given, parts = of_methods(layers)
    settings = build(given)
    if settings.country and settings.energy != "off":
        energy.require_country(settings.country)
    for method, keys in settings.methods.items():
        try:
            _require_no_folds(resolve([settings.common, keys]))
        except ConfigError as error:
            raise ConfigError(f"methods.{method}: {error}") from None
    configs = {method: with_source(data, [settings.common, keys]) for method, keys in settings.methods.items()}
    _require_different(configs)
    source = next(iter(configs.values())).data
    target = Path(output) / (name if name is not None else data_name(str(source.source)))
    comparison_folder.require_free(target, sources.own(source))
    return CompareRequest(settings, configs, target, {method: completed(one, parts.get(method, NONE)) for method, one in configs.items()})


def _require_no_folds(config: Config) -> None:
    if config.cross_validation.folds is not None:
        raise ConfigError(
            "cross_validation.folds: a comparison repeats its trials with several seeds instead. Expected it empty. "
            f"Received {config.cross_validation.folds}."
        )


def _require_different(configs: Mapping[str, Config]) -> None:
    seen: dict[str, str] = {}
    for method, config in configs.items():
        twin = seen.setdefault(config.model_dump_json(), method)
        if twin != method:
            raise ConfigError(f"Methods must differ in at least one key. Received identical methods.{twin} and methods.{method}.")
