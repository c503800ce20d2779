"""Settings of a search: a typed model with defaults, loaded from YAML and the command line. Does not import TensorFlow.

`common` holds keys of the configuration that are the same in all trials; `space` says what is tried (`search_space.py`).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, ValidationError, field_validator

from transfer.config import search_space, yaml_text
from transfer.config.loading import flatten
from transfer.config.loading import keys as configuration_keys
from transfer.config.sections import Section
from transfer.config.values import refusal
from transfer.errors import ConfigError, nearest

_OPEN = ("space", "common")
_OF_THE_SEARCH = {"backbone": "backbones", "image_size": "sizes", "augment.views": "views", "seed": "seed"}
"""Keys of the configuration that are settings of the search itself."""

FROM_SCRATCH: dict[str, Any] = {"trials": 12, "batch": 1, "random_trials": 5}
"""Defaults for networks from scratch: a trial is a whole training, so they are few, and each is proposed from all before it."""


class TuningConfig(Section):
    """A search for the best head on stored features, or for the best settings of networks from scratch."""

    trials: int = Field(
        100, ge=1, le=100_000, description="trials in all; the same search with more trials goes on where it ended, as if asked at once"
    )
    timeout: float | None = Field(
        None, gt=0, description="end after the batch in which so many seconds have passed: the machine's speed then decides how many trials"
    )
    folds: int = Field(5, ge=2, le=20, description="folds of the cross-validation that scores a trial; fewer if a class has fewer images")
    repeats: int = Field(1, ge=1, le=20, description="cross-validations of each trial, with folds drawn anew; their mean is its score")
    metric: Literal["accuracy", "log_loss"] = Field(
        "accuracy",
        description="what is compared: accuracy, by which classifiers are judged, or log_loss",
    )
    choose: Literal["one_standard_error", "best"] = Field(
        "one_standard_error",
        description="what is fitted in the end: the simplest configuration within one standard error of the best, or the best",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="seed of the split, the folds, the proposals, and the training of heads")
    random_trials: int = Field(20, ge=1, description="so many trials, from the first one on, are drawn at random; the others are proposed")
    batch: int = Field(10, ge=1, le=1000, description="trials proposed at once from all before them, and scored with them as one step")
    prune_after: int = Field(2, ge=0, description="folds after which hopeless trials are stopped; 0: none is")
    prune_errors: float = Field(
        3.0,
        gt=0,
        description="hopeless: behind the best trial, on the same images, by more than so many standard errors",
    )
    prune_epochs: int = Field(
        15,
        ge=0,
        description="networks from scratch: epochs after which hopeless trials are stopped: those whose best validation accuracy so far is "
        "below the median of what the trials before them had reached in as many epochs; 0: none is",
    )
    prune_trials: int = Field(4, ge=1, description="networks from scratch: so many trials are trained to their end before any is stopped")
    max_images: int = Field(
        5000, ge=10, description="largest number of training and validation images that trials are scored on; of more, some are drawn"
    )
    backbones: tuple[str, ...] = Field(
        ("vgg16",), min_length=1, description="backbones to try, each a frozen pass of its own; or networks from scratch"
    )
    sizes: tuple[PositiveInt, ...] = Field((), description="sides of the images to try, in pixels; empty: that of each backbone")
    views: tuple[int, ...] = Field((0,), min_length=1, description="numbers of augmented views to try (augment.views); each costs a pass")
    space: dict[str, Any] = Field({}, description="what is tried: key -> list of values, range {low, high, log}, or a single value")
    common: dict[str, Any] = Field({}, description="configuration keys for all trials: data.*, training.epochs, ...")

    @field_validator("backbones", "sizes", "views")
    @classmethod
    def _once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = [item for item in value if value.count(item) > 1]
        if twice:
            raise ValueError(f"no value may be repeated; {twice[0]} appears twice")
        if any(isinstance(item, int) and item < 0 for item in value):
            raise ValueError("no value may be negative")
        return value

    def to_yaml(self) -> str:
        """Return all settings as YAML, in field order."""
        return yaml_text.dump(self.model_dump(mode="json"))


def build(layers: Iterable[Mapping[str, Any]]) -> TuningConfig:
    """Merge settings (nested or dotted) and validate them; later ones override earlier ones.

    Raises:
        ConfigError: for a key that does not exist, an invalid value, or a key that is fixed in `common` and tried in `space`.
    """
    tree: dict[str, Any] = {"space": {}, "common": {}}
    for layer in layers:
        for key, value in layer.items():
            _merge(tree, str(key), value)
    try:
        config = TuningConfig.model_validate(tree)
    except ValidationError as error:
        found = refusal(error)
        raise ConfigError(f"Key {found.key!r} of a search: {found.rule}. Received {found.key}={found.received!r}.") from None
    search_space.read(config.space)
    both = [key for key in config.space if key in config.common]
    if both:
        raise ConfigError(
            f"{both[0]} is fixed in common and tried in space. Leave one of them out. Received common.{both[0]}="
            f"{config.common[both[0]]!r}, space.{both[0]}={config.space[both[0]]!r}."
        )
    return config


def _merge(tree: dict[str, Any], key: str, value: Any) -> None:
    """Add one setting to the tree; settings of `space` and `common` are stored as dotted configuration keys."""
    section, dot, rest = key.partition(".")
    if section not in TuningConfig.model_fields or (dot and section not in _OPEN):
        valid = list(TuningConfig.model_fields)
        near: str | None = nearest(section, valid)
        if key in _OF_THE_SEARCH:
            near = _OF_THE_SEARCH[key]
        elif any(name == key or name.startswith(f"{key}.") for name in configuration_keys()):
            near = f"common.{key}' or 'space.{key}"
        hint = f" Did you mean '{near}'?" if near and near != section else ""
        raise ConfigError(f"Unknown key of a search {key!r}.{hint} Valid keys: {', '.join(valid)}.")
    if section in _OPEN:
        tree[section] |= _keys({rest: value} if dot else value, section)
    else:
        tree[section] = value


def _keys(value: Any, section: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{section} holds `key: value` lines. Received {value!r}.")
    try:
        found = flatten(value)
    except ConfigError as error:
        raise ConfigError(f"{section}: {error}") from None
    for key in found:
        if key in _OF_THE_SEARCH:
            raise ConfigError(
                f"{section}.{key}: the search has a setting of its own for this. Use {_OF_THE_SEARCH[key]}. Received {found[key]!r}."
            )
    return found


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a settings file; see `yaml_text.read_mapping` for the errors."""
    return yaml_text.read_mapping(path)


def parse_assignment(text: str) -> dict[str, Any]:
    """Parse one `key=value` of the command line: `trials=50`, `space.head.dropout={low: 0.2, high: 0.6}`, `common.data.test=0.2`."""
    return yaml_text.assignment(text, "space.head.dropout=[0.3,0.5]")
