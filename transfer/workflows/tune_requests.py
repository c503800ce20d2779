"""Requests for a search, checked before TensorFlow starts."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer.config import Config, tuning
from transfer.data import sources
from transfer.data.groups import NEAR_DUPLICATES
from transfer.drafts import require_free
from transfer.errors import ConfigError
from transfer.models.own.parts import NONE, Parts, completed
from transfer.models.registry import Backbone, Scratch
from transfer.runs import STUDY
from transfer.workflows.own_parts import of_search
from transfer.workflows.requests import Data, require_clock
from transfer.workflows.settings import data_name, with_source
from transfer.workflows.tuning.network_spaces import network_space, networks_of
from transfer.workflows.tuning.spaces import fixed, head_space


@dataclass(frozen=True)
class TuneRequest:
    """A search for the best head, or for the best network from scratch: its settings, and the folder of its run, `output/name`.

    Attributes:
        data: where the images are.
        fixed: configuration keys of all trials; for heads, those that are not a head's.
        configs: backbone and size -> complete configuration, but for what the trials choose.
        overwrite: forget an earlier search of this name.
        parts: what was given as Keras objects.
    """

    settings: tuning.TuningConfig
    data: Data
    fixed: dict[str, Any]
    configs: dict[tuple[str, int], Config]
    output: Path
    name: str
    overwrite: bool
    parts: Parts = NONE


def tune_request(
    data: Data,
    layers: Iterable[Mapping[str, Any]],
    name: str | None = None,
    output: str | os.PathLike[str] = "saved_models",
    overwrite: bool = False,
) -> TuneRequest:
    """Return a checked request for a search; see `tune.tune` for the arguments.

    Raises:
        ConfigError: for invalid settings, and a search space that contradicts itself.
        DataError: if the source of images does not exist.
        RunError, OutputError: if the run cannot be published under its name.
    """
    given, parts = of_search(layers)
    settings = tuning.build(given)
    if settings.common.get("unfreeze_from"):
        raise ConfigError(
            "common.unfreeze_from: heads are tried on the features of a frozen backbone. Leave it out; transfer fit fine-tunes from the "
            f"config.yaml of the run. Received {settings.common['unfreeze_from']!r}."
        )
    networks = networks_of(settings)
    from_scratch = [network for network in networks if isinstance(network, Scratch)]
    if from_scratch:
        settings = tuning.build([tuning.FROM_SCRATCH, *given])
        network_space(settings, from_scratch)
        kept = settings.common | {"seed": settings.seed}
    else:
        settings = settings.model_copy(update={"backbones": tuple(network.name for network in networks)})  # as they are spelt
        head_space(settings, [network for network in networks if isinstance(network, Backbone)])
        kept = fixed(settings) | {"seed": settings.seed, "augment.views": settings.views[0]}
        kept |= {"head.kind": "own"} if kept.get("head.own") else {}
    configs = {}
    for network in networks:
        for size in settings.sizes or (None,):
            config = with_source(data, [kept, {"backbone": network.name} | ({"image_size": size} if size else {})])
            configs[network.name, config.image_size or network.size] = config
    parts = completed(next(iter(configs.values())), parts)
    source = next(iter(configs.values())).data
    if source.group_by == NEAR_DUPLICATES:  # the run would be split otherwise than the search, and tested on images of the search
        raise ConfigError(
            "data.group_by: near duplicates are found by features, which the search changes. Write the groups into a table: "
            "transfer check DATA --group-by near-duplicates --write-manifest groups.csv; then transfer tune groups.csv, with "
            f"common.data.root=DATA. Received {source.group_by!r}."
        )
    require_clock()
    name = name if name is not None else f"{data_name(str(source.source))}-tuned"
    searched = (Path(output) / name / STUDY).is_file()
    require_free(Path(output), name, overwrite or searched, sources.own(source))
    return TuneRequest(settings, data, kept, configs, Path(output), name, overwrite, parts)
