"""User's settings -> a configuration that can be run: the network's own defaults filled in, names and sizes checked."""

from collections.abc import Iterable, Mapping
from typing import Any

from transfer.config import Config, build, flatten
from transfer.errors import ConfigError
from transfer.networks.table import Backbone, Scratch, find


def resolve(layers: Iterable[Mapping[str, Any]]) -> Config:
    """Merge settings, later ones over earlier ones, with the general and the network's defaults below them.

    Raises:
        ConfigError: for anything that is known to be wrong before the data is looked at.
    """
    given: dict[str, Any] = {}
    for layer in layers:
        given |= flatten(layer)
    network = find(str(given.get("backbone", Config().backbone)))
    config = build([network.defaults, given])
    size = config.image_size or network.size
    if size < network.smallest:
        raise ConfigError(
            f"image_size: {network.name} needs pictures of at least {network.smallest} pixels a side. Received image_size={size}."
        )
    if isinstance(network, Backbone):
        if config.truncate_at != "auto":
            network.cut(config.truncate_at)
    else:
        _check_scratch(network, config)
    if config.data.validation + config.data.test > 0.8:
        raise ConfigError(
            "data.validation and data.test must leave pictures to train on: together at most 0.8. "
            f"Received {config.data.validation:g} + {config.data.test:g}."
        )
    return config.updated(image_size=size)


def _check_scratch(network: Scratch, config: Config) -> None:
    if config.truncate_at != "top":
        raise ConfigError(f"truncate_at: {network.name} is trained from scratch and is not cut. Received {config.truncate_at!r}.")
    if config.weights not in ("imagenet", "random"):
        raise ConfigError(f"weights: {network.name} is trained from scratch; there is nothing to load. Received {config.weights!r}.")
    if config.precision not in ("auto", "float32"):
        raise ConfigError(f"precision: {network.name} is trained in float32. Received {config.precision!r}.")
