"""The search space of networks from scratch: what needs no other images than the pixels that are stored.

Keys that a network does not have are left out, and so are those that the user has fixed. A network has a range of its own where it
differs from that of the others.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from transfer.config import Config
from transfer.config.search_space import Choices, Parameter, Range, Space, read
from transfer.config.tuning import TuningConfig
from transfer.errors import ConfigError
from transfer.models.registry import Backbone, Scratch, find
from transfer.workflows.settings import resolve

_LIVE, _FLIP, _NORMALIZATION = "augment.live", "augment.flip", "network.normalization"
_SECTIONS = ("network.", "training.", "augment.")
_HEAD = ("head.dropout", "head.l2")  # of lenet
_NOT_TRIED = ("augment.views", "training.checkpoint_seconds", "training.devices")
_OF_HEADS = ("folds", "repeats", "metric", "prune_after", "prune_errors", "max_images", "views")


def networks_of(settings: TuningConfig) -> list[Backbone] | list[Scratch]:
    """Return the networks of a search, all pretrained or all from scratch.

    Raises:
        ConfigError: for an unknown name, with the nearest one, for both kinds together, and for one that is named twice.
    """
    found = [find(name) for name in settings.backbones]
    names = [network.name for network in found]
    if len(set(names)) < len(names):
        raise ConfigError(f"backbones: no network may be repeated. Received {', '.join(settings.backbones)}.")
    pretrained = [network for network in found if isinstance(network, Backbone)]
    scratch = [network for network in found if isinstance(network, Scratch)]
    if pretrained and scratch:
        raise ConfigError(
            "backbones: heads on pretrained backbones are judged by cross-validation, networks from scratch on the validation split, so "
            f"they are not searched together. Search {', '.join(one.name for one in pretrained)} and "
            f"{', '.join(one.name for one in scratch)} apart, and compare them with transfer compare. Received {', '.join(names)}."
        )
    return pretrained or scratch


def network_space(settings: TuningConfig, networks: Sequence[Scratch]) -> Space:
    """Return the search space.

    Args:
        settings: `space` and `common` narrow or fix it.
        networks: those of the settings.

    Raises:
        ConfigError: for a setting that only searches of heads have, and a key that no network has or that needs other images.
    """
    general = TuningConfig()
    for name in _OF_HEADS:
        if getattr(settings, name) != getattr(general, name):
            raise ConfigError(
                f"{name}: networks from scratch are judged by their accuracy on the validation split, and have no such setting. "
                f"Leave it out. Received {name}={getattr(settings, name)!r}."
            )
    configs = {network.name: resolve([settings.common, {"backbone": network.name}]) for network in networks}
    given = read(settings.space)
    accepted = {key: _accepting(key, values, settings, networks) for key, values in given.items()}
    offered = {}
    for network in networks:
        own = tried(network, configs[network.name], {*settings.common, *given})
        offered[network.name] = own | {key: values for key, values in given.items() if network.name in accepted[key]}
    several = len(networks) > 1
    made = [Parameter("backbone", Choices(tuple(offered)))] if several else []
    made += [Parameter("image_size", Choices(settings.sizes))] if len(settings.sizes) > 1 else []
    keys = dict.fromkeys(key for own in offered.values() for key in own)
    for key in sorted(keys, key=lambda key: key != _LIVE):  # a condition comes before what depends on it
        owners = {name: own[key] for name, own in offered.items() if key in own}
        if len(owners) == len(offered) and len({repr(values) for values in owners.values()}) == 1:
            made.append(parameter(key, next(iter(owners.values())), offered[networks[0].name]))
        else:
            made += [Parameter(key, values, ("backbone", name)) for name, values in owners.items()]
    first = [({"backbone": name} if several else {}) | configured(configs[name], own) for name, own in offered.items()]
    return Space(tuple(made), tuple(first))


def tried(network: Scratch, config: Config, fixed: Collection[str]) -> dict[str, Choices | Range]:
    """Return what is tried for a network by default.

    Args:
        config: complete, of the network.
        fixed: keys that are left out.
    """
    dropout = "head.dropout" if network.options.get("dropout", 0) is None else "network.dropout"
    found: dict[str, Choices | Range] = {
        "training.learning_rate": Range(1e-4, 1e-2, log=True),
        "training.weight_decay": Choices((0.0, 0.1, 0.3)),
        "training.label_smoothing": Range(0.0, 0.2),
        dropout: Range(0.0, 0.6),
    }
    kinds = tuple(dict.fromkeys((config.network.normalization, "batch")))
    if _NORMALIZATION.partition(".")[2] in network.options and len(kinds) > 1:
        found[_NORMALIZATION] = Choices(kinds)
    if not config.augment.views:
        found |= {_LIVE: Choices((True, False)), _FLIP: Choices((False, True))}
    left = {key: values for key, values in found.items() if key not in fixed}
    if "network.dropout" in fixed:
        left.pop("head.dropout", None)  # it would have no effect
    if _LIVE not in left and _LIVE in fixed and not config.augment.live:
        left.pop(_FLIP, None)  # nothing is augmented
    return left


def parameter(key: str, values: Choices | Range, beside: Collection[str]) -> Parameter:
    """Return what is tried for a key, with its condition: how live views are made means nothing without them.

    Args:
        beside: all keys that are tried.
    """
    of_views = key.startswith("augment.") and key != _LIVE and _LIVE in beside
    return Parameter(key, values, (_LIVE, True) if of_views else None)


def configured(config: Config, keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of keys in a configuration: the first trial."""
    flat = {}
    for key in keys:
        found: Any = config
        for part in key.split("."):
            found = getattr(found, part)
        flat[key] = found
    return flat


def _accepting(key: str, values: Choices | Range, settings: TuningConfig, networks: Sequence[Scratch]) -> list[str]:
    """Return the names of the networks that have a key with these values."""
    if not (key.startswith(_SECTIONS) or key in _HEAD) or key in _NOT_TRIED:
        raise ConfigError(
            f"space.{key}: of networks from scratch, only what needs no other images is tried. Expected keys of network, training or "
            "augment (but augment.views); other keys are fixed in common. Received backbones: "
            f"{', '.join(network.name for network in networks)}."
        )
    if key.startswith("augment.") and key != _LIVE and settings.common.get(_LIVE) is False:
        raise ConfigError(
            f"The search space contradicts itself: without augment.live nothing is augmented. Leave out space.{key}, or "
            f"common.{_LIVE}. Received common.{_LIVE}=false."
        )
    ends = values.values if isinstance(values, Choices) else (values.low, values.high)
    found, refusals = [], []
    for network in networks:
        try:
            for value in ends:
                resolve([settings.common, {"backbone": network.name, key: value}])
            found.append(network.name)
        except ConfigError as error:
            refusals.append(error)
    if not found:
        raise ConfigError(f"space.{refusals[0]}")
    return found
