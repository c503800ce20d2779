"""Settings of a comparison: a typed model with defaults, loaded from YAML and the command line. Does not import TensorFlow.

`common` and each entry of `methods` hold keys of the configuration (`schema.py`); everything else is defined here.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, field_validator

from transfer.config import yaml_text
from transfer.config.loading import flatten
from transfer.config.loading import keys as configuration_keys
from transfer.config.sections import AutoOrOff, Section
from transfer.config.values import refusal
from transfer.errors import ConfigError, nearest

ALL: Literal["all"] = "all"
_OPEN = ("common", "methods")
_NAME = r"[^\W_][\w .+-]{0,39}"
_SHARED = ("data.", "engine.", "logging.", "seed")


def _size(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        raise ValueError("is a number of images per class, 1 or more, or all") from None


Size = Annotated[PositiveInt | Literal["all"], WrapValidator(_size)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


DEFAULTS: dict[str, Any] = {
    "sizes": [5, 25, ALL],
    "seeds": [0, 1, 2],
    "methods": {
        "frozen": {"backbone": "vgg16"},
        "frozen all cuts": {"backbone": "vgg16", "truncate_at": "all", "head.pooling": "avg+max"},
        "fine-tuned": {"backbone": "vgg16", "unfreeze_from": "block5_conv1"},
        # As much is made of the networks from scratch as is known; see the tables in configs/lenet.yaml and models/registry.py.
        "lenet": {
            "backbone": "lenet", "image_size": 64, "head.dropout": 0.3,
            "network": {"color": "rgb", "activation": "relu", "pooling": "max", "normalization": "batch"},
        },
        "tiny_vgg": {"backbone": "tiny_vgg", "image_size": 64, "network": {"normalization": "batch", "dropout": 0.3}},
    },
}  # fmt: skip
"""A comparison of which no method is given. Fewer sizes and seeds than usual, since fine-tuning and training from scratch are slow."""


class ComparisonConfig(Section):
    """A comparison: methods x sizes x seeds."""

    sizes: tuple[Size, ...] = Field(
        (1, 2, 5, 10, 25, 100, ALL), min_length=1, description="training images per class, or all; each subset contains the smaller ones"
    )
    seeds: tuple[Seed, ...] = Field(
        (0, 1, 2, 3, 4), min_length=1, description="seeds of the trials: subsets, initial weights, dropout and order of the images"
    )
    reference: str | None = Field(None, description="method that all others are compared with; empty: all pairs are compared")
    tune: int = Field(
        0,
        ge=0,
        le=10_000,
        description="settings tried for each method before the comparison, on training and validation images; the best are compared",
    )
    tune_at: Literal["largest", "each"] = Field(
        "largest", description="images on which settings are searched: the largest size, for all sizes; or each size, for itself"
    )
    validation: Literal["all", "proportional"] = Field(
        ALL, description="validation images at each size: all, or in proportion to the training images, at least one per class"
    )
    energy: AutoOrOff = Field(
        "auto", description="auto: measure energy, or estimate it if the machine has no readable counter; off: neither"
    )
    country: str | None = Field(
        None,
        description="country whose electricity is used, three letters (ISO 3166), to estimate CO2; empty: no estimate",
    )
    common: dict[str, Any] = Field({}, description="configuration keys for all methods: data.*, image_size, ...")
    methods: dict[str, dict[str, Any]] = Field({}, description="name -> configuration keys of the method; they override common")

    @field_validator("sizes", "seeds")
    @classmethod
    def _once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = [item for item in value if value.count(item) > 1]
        if twice:
            raise ValueError(f"no value may be repeated; {twice[0]} appears twice")
        return tuple(sorted(value, key=lambda item: (item == ALL, item)))

    @field_validator("country")
    @classmethod
    def _code(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch("[A-Za-z]{3}", value):
            raise ValueError("must be the three letters of a country (ISO 3166), such as DEU")
        return value and value.upper()

    def to_yaml(self) -> str:
        """Return all settings as YAML, in field order."""
        return yaml_text.dump(self.model_dump(mode="json"))


def build(layers: Iterable[Mapping[str, Any]]) -> ComparisonConfig:
    """Merge settings (nested or dotted) and validate them; later ones override earlier ones.

    If none of them names methods, they override `DEFAULTS`.

    Raises:
        ConfigError: for a key that does not exist, an invalid value, or methods that cannot be compared.
    """
    tree: dict[str, Any] = {"common": {}, "methods": {}}
    given = list(layers)
    usual = not any(str(key).partition(".")[0] == "methods" for layer in given for key in layer)
    for layer in [DEFAULTS, *given] if usual else given:
        for key, value in layer.items():
            _merge(tree, str(key), value)
    if not tree["methods"]:
        raise ConfigError("A comparison needs methods: name -> configuration keys, as in configs/compare.yaml. Received none.")
    if len(tree["methods"]) < 2:
        raise ConfigError(f"A comparison needs at least two methods; transfer fit trains one. Received {next(iter(tree['methods']))!r}.")
    try:
        config = ComparisonConfig.model_validate(tree)
    except ValidationError as error:
        found = refusal(error)
        raise ConfigError(f"Key {found.key!r} of a comparison: {found.rule}. Received {found.key}={found.received!r}.") from None
    if config.reference is not None and config.reference not in config.methods:
        near = nearest(config.reference, config.methods)
        hint = f" Did you mean {near!r}?" if near else ""
        raise ConfigError(
            f"reference must be the name of a method, or empty.{hint} Expected one of: {', '.join(config.methods)}. "
            f"Received {config.reference!r}."
        )
    return config


def _merge(tree: dict[str, Any], key: str, value: Any) -> None:
    """Add one setting to the tree; settings of `common` and of the methods are stored as dotted configuration keys."""
    section, dot, rest = key.partition(".")
    if section not in ComparisonConfig.model_fields or (dot and section not in _OPEN):
        valid = list(ComparisonConfig.model_fields)
        near = nearest(section, valid)
        if any(name == key or name.startswith(f"{key}.") for name in configuration_keys()):
            near = f"common.{key}"
        hint = f" Did you mean {near!r}?" if near and near != section else ""
        raise ConfigError(f"Unknown key of a comparison {key!r}.{hint} Valid keys: {', '.join(valid)} (keys of a method go below methods).")
    if section == "common":
        tree["common"] |= _keys({rest: value} if dot else value, "common")
    elif section == "methods":
        name, inner, rest = rest.partition(".")
        for method, keys in _mapping({name: {rest: value} if inner else value} if dot else value, "methods").items():
            _require_name(method)
            tree["methods"][method] = tree["methods"].get(method, {}) | _method(keys, method)
    else:
        tree[section] = value


def _mapping(value: Any, where: str) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} holds `key: value` lines. Received {value!r}.")
    return value


def _keys(value: Any, where: str) -> dict[str, Any]:
    try:
        return flatten(_mapping(value, where))
    except ConfigError as error:
        raise error if str(error).startswith(where) else ConfigError(f"{where}: {error}") from None


def _method(value: Any, name: str) -> dict[str, Any]:
    keys = _keys(value, f"methods.{name}")
    shared = [key for key in keys if key.startswith(_SHARED)]
    if shared:
        raise ConfigError(
            f"methods.{name}: all methods share the same images, seeds and engine. Set {shared[0]} in common"
            f"{' (it splits the data), and the seeds of the trials in seeds' if shared[0] == 'seed' else ''}. "
            f"Received methods.{name}.{shared[0]}={keys[shared[0]]!r}."
        )
    return keys


def _require_name(name: Any) -> None:
    if not isinstance(name, str) or not re.fullmatch(_NAME, name) or name != name.strip():
        raise ConfigError(
            "The name of a method must begin with a letter or digit and have at most 40 characters: letters, digits, spaces and . _ + -. "
            f"Received {name!r}."
        )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a settings file; see `yaml_text.read_mapping` for the errors."""
    return yaml_text.read_mapping(path)


def parse_assignment(text: str) -> dict[str, Any]:
    """Parse one `key=value` of the command line: `sizes=[1,10]`, `common.image_size=64`, `methods.top.head.dropout=0.3`."""
    return yaml_text.assignment(text, "sizes=[1,10,all]")
