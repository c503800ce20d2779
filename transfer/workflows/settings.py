"""Settings -> a complete configuration, checked as far as possible before TensorFlow starts, which takes seconds.

The defaults of the network are filled in; names, sizes and the source of the images are checked.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer import engines
from transfer.config import Config, FineTuningConfig, build, flatten
from transfer.data import sources, storage
from transfer.data.groups import NEAR_DUPLICATES
from transfer.data.storage import archives
from transfer.errors import ConfigError, named
from transfer.models import openvino_engine
from transfer.models.own import kept
from transfer.models.registry import Backbone, Scratch, find, require_size
from transfer.system.home import require_outside
from transfer.tracking import opened as tracking
from transfer.workflows import head_settings, scratch_settings

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder


def with_source(data: "str | os.PathLike[str] | DatasetBuilder | None", layers: Iterable[Mapping[str, Any]]) -> Config:
    """Return the complete configuration, with its source of images checked.

    Raises:
        ConfigError: for invalid settings.
        DataError: if the source does not exist.
        StoreError: if the cache, in which all work on images keeps what it has done, cannot be written or is inside the data.
    """
    config = resolve([*layers, sources.settings(data) if data is not None else {}])
    if config.data.source is None or (isinstance(data, str) and not data):
        raise ConfigError(
            "DATA is missing: a folder with one sub-folder for each class, a table (.csv, .parquet), a .zip or .tar, or tfds:NAME "
            "(or data.source in the configuration)."
        )
    if storage.is_url(config.data.source):
        config = config.updated(data__source=sources.absolute(config.data.source))
    if config.data.root is not None:
        config = config.updated(data__root=sources.absolute(config.data.root))
    if config.data.tfds_data_dir is not None:
        config = config.updated(data__tfds_data_dir=os.fspath(Path(config.data.tfds_data_dir).expanduser().absolute()))
    engines.require(config.engine)
    tracking.require(config.logging)
    sources.require(config.data)
    place = Path(str(config.data.source))
    require_outside([place] if place.is_dir() else [])
    return config


def data_name(source: str) -> str:
    """Return a name for a source of images: that of its folder or table, without characters that file names cannot contain."""
    if source.startswith(sources.TFDS):
        return source.removeprefix(sources.TFDS).replace("/", "-").replace(":", "-")[:40]
    place = Path(source)
    last = place.resolve().name if place.name == ".." else place.name
    last = archives.stem(last)
    return re.sub(r"[\\\0\n\r:]", "-", last).lstrip(".")[:40] or "data"


def resolve(layers: Iterable[Mapping[str, Any]]) -> Config:
    """Merge settings over the defaults of the network and the general ones; later settings override earlier ones.

    Raises:
        ConfigError: for every error that can be found before the data is read.
    """
    given: dict[str, Any] = {}
    for layer in layers:
        given |= flatten(layer)
    network = find(str(given.get("backbone", Config().backbone)))
    given |= _spelt(given, network)
    if isinstance(network, Scratch):  # an empty option means the network's default
        given = {key: value for key, value in given.items() if value is not None or not key.startswith("network.")}
        own = {f"network.{key}": value for key, value in network.options.items()}
        if given.get("augment.views"):  # stored views are asked for instead of live ones
            own["augment.live"] = False
        config = build([network.defaults, own, given])
        smallest = network.smallest_with(config.network)
    else:
        config, smallest = build([network.defaults, given]), network.smallest
    scratch_settings.check_options(network, config)
    size = config.image_size or network.size
    require_size(network.name, size, smallest)
    if isinstance(network, Backbone):
        _check_own(network, config, size)
        if config.truncate_at != "auto":
            cuts = network.cuts_of(config.truncate_at)
            if isinstance(config.truncate_at, tuple):
                config = config.updated(truncate_at=tuple(cut.name for cut in cuts))
            head_settings.check_pooling(config, len(cuts))
        head_settings.check_kind(config)
        if config.unfreeze_from and network.boundary(config.unfreeze_from) is None:
            config = config.updated(unfreeze_from="all")
        if config.whole_from_random:
            _check_whole(config)
        elif config.unfreeze_from:
            _check_boundary(network, config)
    else:
        scratch_settings.check(network, config)
    _check_training(network, config)
    _check_cross_validation(network, config)
    if isinstance(network, Scratch) or config.whole_from_random:
        config = scratch_settings.settled(network.name, config)
    elif config.compute == "openvino":
        openvino_engine.require()
    if config.data.validation + config.data.test > 0.8:
        raise ConfigError(
            "data.validation and data.test must leave images to train on: together at most 0.8. "
            f"Received {config.data.validation:g} + {config.data.test:g}."
        )
    return config.updated(image_size=size)


def _spelt(given: Mapping[str, Any], network: Backbone | Scratch) -> dict[str, str]:
    """Return the names among the settings as they are spelt: they are matched without regard to case."""
    valid = {
        "backbone": [network.name], "weights": ["imagenet", "random", kept.OWN], "data.group_by": [NEAR_DUPLICATES],
        "truncate_at": ["top", "all", "auto"], "unfreeze_from": ["all"],
    }  # fmt: skip
    if isinstance(network, Backbone):
        for key in ("truncate_at", "unfreeze_from"):
            valid[key] += [*network.layers, *(name for name in network.cut_names if name not in network.layers)]
    known = {key: named(given[key], names) for key, names in valid.items() if isinstance(given.get(key), str)}
    return {key: name for key, name in known.items() if name is not None} | ({"backbone": network.name} if "backbone" in known else {})


def _check_own(backbone: Backbone, config: Config, size: int) -> None:
    """Check what only an own backbone has: weights that were given with it, and perhaps a single size."""
    own = bool(backbone.architecture)
    if own and config.weights == "imagenet":
        raise ConfigError(
            "weights: an own backbone is not in Keras. Expected own (as it was given), random, or a file. Received 'imagenet'."
        )
    if config.weights == kept.OWN and not own:
        raise ConfigError(
            "weights: own are those of a backbone that is given as a Keras model. Expected imagenet, random, or a file. "
            f"Received weights='own' with backbone={config.backbone!r}."
        )
    if backbone.only_size and size != backbone.size:
        raise ConfigError(
            f"image_size: the backbone was built for images of {backbone.size} x {backbone.size} pixels. Expected "
            f"image_size={backbone.size}, or a backbone with an input (None, None, None, 3). Received image_size={size}."
        )


def _check_boundary(backbone: Backbone, config: Config) -> None:
    """Check that there are layers of the backbone between the freeze boundary and the truncation."""
    boundary = backbone.boundary(str(config.unfreeze_from))
    if boundary is None:
        return
    possible = [cut.name for cut in backbone.above(boundary)]
    ends = [cut.name for cut in backbone.cuts_of(config.truncate_at)] if config.truncate_at != "auto" else possible
    # The boundary may itself be one of several cut points: its features stay as they are, and something above it trains.
    if not set(ends) <= {*possible, boundary.name} or not set(ends) & set(possible):
        single = isinstance(config.truncate_at, str) and config.truncate_at != "all"
        which = "truncate_at one of" if single else "in truncate_at only cut points among"
        raise ConfigError(
            f"unfreeze_from: the first trained layer must be below the truncation. Expected {which}: "
            f"{', '.join([*possible, 'auto'])}. Received unfreeze_from={config.unfreeze_from!r}, truncate_at={config.truncate_at!r}."
        )


def _check_training(network: Backbone | Scratch, config: Config) -> None:
    """Refuse settings that do not apply to this kind of training."""
    on_pixels = isinstance(network, Scratch) or config.unfreeze_from == "all"
    if config.augment.live and (config.augment.views or not on_pixels):
        raise ConfigError(
            "augment.live makes views in each epoch and needs training on pixels (a network from scratch, or unfreeze_from=all). "
            "Otherwise use augment.views, and never both. "
            f"Received augment.live=true with unfreeze_from={config.unfreeze_from!r}, augment.views={config.augment.views}."
        )
    if config.unfreeze_from and not config.whole_from_random:
        return
    general = FineTuningConfig()
    for key, value in config.fine_tuning.model_dump().items():
        if value != getattr(general, key):
            raise ConfigError(
                f"fine_tuning.{key}: nothing is fine-tuned here. Expected a pretrained backbone and unfreeze_from. Received {value!r}."
            )


def _check_cross_validation(network: Backbone | Scratch, config: Config) -> None:
    if not config.cross_validation.average:
        return
    if config.cross_validation.folds is None:
        raise ConfigError(
            "cross_validation.average (--average-folds) exports the heads of cross-validation. Expected cross_validation.folds (--folds) "
            "with it. Received no number of folds."
        )
    if isinstance(network, Scratch) or config.unfreeze_from:
        raise ConfigError(
            "cross_validation.average (--average-folds): only heads on a frozen backbone are averaged, since other networks would be as "
            "many times slower. Expected a pretrained backbone and no unfreeze_from. "
            f"Received backbone={network.name!r}, unfreeze_from={config.unfreeze_from!r}."
        )


def _check_whole(config: Config) -> None:
    """Check the settings of a backbone that is trained as a whole from random weights."""
    if config.truncate_at in ("auto", "all") or isinstance(config.truncate_at, tuple):
        raise ConfigError(
            "truncate_at: a backbone that is trained as a whole from random weights ends at one place. Expected a cut point or top. "
            f"Received {config.truncate_at!r}."
        )
