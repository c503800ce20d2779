"""What `transfer compare` is to do, checked as far as it can be before TensorFlow takes its seconds to start."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.config import Config
from transfer.config.comparison import ComparisonConfig, build
from transfer.data import sources
from transfer.errors import ConfigError
from transfer.runs import require_name
from transfer.system import energy
from transfer.workflows.comparison import folder
from transfer.workflows.requests import data_name, resolve, with_source

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder


@dataclass(frozen=True)
class ComparisonPlan:
    """One comparison to be made: its settings, the complete configuration of each method, and its folder."""

    settings: ComparisonConfig
    configs: dict[str, Config]
    folder: Path


def compare_plan(
    data: "str | os.PathLike[str] | DatasetBuilder | None",
    layers: Iterable[Mapping[str, Any]],
    name: str | None = None,
    output: str | os.PathLike[str] = folder.DEFAULT_OUTPUT,
) -> ComparisonPlan:
    """Settle what a comparison will be; see `compare` for the arguments.

    Raises:
        ConfigError: for settings that cannot be; those of a method with its name.
        DataError: where there is no such source of images.
        RunError: where the comparison cannot lie in its folder.
    """
    if name is not None:
        require_name(name)
    settings = build(layers)
    if settings.country and settings.energy != "off":
        energy.require_country(settings.country)
    for method, keys in settings.methods.items():
        try:
            resolve([settings.common, keys])
        except ConfigError as error:
            raise ConfigError(f"methods.{method}: {error}") from None
    configs = {method: with_source(data, [settings.common, keys]) for method, keys in settings.methods.items()}
    _require_different(configs)
    source = next(iter(configs.values())).data
    target = Path(output) / (name if name is not None else data_name(str(source.source)))
    folder.require_free(target, sources.own(source))
    return ComparisonPlan(settings, configs, target)


def _require_different(configs: Mapping[str, Config]) -> None:
    seen: dict[str, str] = {}
    for method, config in configs.items():
        twin = seen.setdefault(config.model_dump_json(), method)
        if twin != method:
            raise ConfigError(f"Two methods must differ in some key. Received methods.{twin} and methods.{method}, which are the same.")
