"""What a comparison may be told, as a typed model with defaults and YAML. Imports no TensorFlow.

`common` and each entry of `methods` hold keys of the ordinary configuration (`config.py`); everything else is here.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, ValidationError, field_validator

from transfer.config.loading import assignment, flatten, read_mapping
from transfer.config.sections import AutoOrOff, Section
from transfer.errors import ConfigError, nearest

ALL: Literal["all"] = "all"
_OPEN = ("common", "methods")
_NAME = r"[^\W_][\w .+-]{0,39}"
_SHARED = ("data.", "seed")


def _whole(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("whole numbers are expected")
    return value


def _size(value: Any) -> Any:
    if value == ALL:
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("each size is a whole number of images per class from 1 on, or all")
    return value


Size = Annotated[int | Literal["all"], BeforeValidator(_size)]
Seed = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=2**31 - 1)]


class ComparisonConfig(Section):
    """One comparison: methods x sizes x seeds."""

    sizes: tuple[Size, ...] = Field((1, 2, 5, 10, 25, 100, ALL), min_length=1, description="training images per class, nested; or all")
    seeds: tuple[Seed, ...] = Field((0, 1, 2, 3, 4), min_length=1, description="of the subsets, initial weights, dropout and order")
    reference: str | None = Field(None, description="method that the others are compared with; empty: all pairs")
    validation: Literal["all", "proportional"] = Field(
        ALL, description="validation images at each size: all, or in proportion to the training images, at least one per class"
    )
    energy: AutoOrOff = Field("auto", description="auto: measure energy, or estimate it where no counter can be read")
    country: str | None = Field(
        None, pattern="^[A-Z]{3}$", description="country of the electricity, three letters (ISO 3166); empty: no CO2 is stated"
    )
    common: dict[str, Any] = Field({}, description="keys of the configuration for all methods: data.*, image_size, ...")
    methods: dict[str, dict[str, Any]] = Field({}, description="name -> keys of the configuration, over those of common")

    @field_validator("sizes", "seeds")
    @classmethod
    def _once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = [item for item in value if value.count(item) > 1]
        if twice:
            raise ValueError(f"each may stand once; {twice[0]} stands twice")
        return tuple(sorted(value, key=lambda item: (item == ALL, item)))

    def to_yaml(self) -> str:
        """Return all settings as YAML, in the order of the fields."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def build(layers: Iterable[Mapping[str, Any]]) -> ComparisonConfig:
    """Merge settings (nested or dotted), later ones over earlier ones, and check them.

    Raises:
        ConfigError: for a key that does not exist, a value that is not allowed, or methods that cannot be compared.
    """
    tree: dict[str, Any] = {"common": {}, "methods": {}}
    for layer in layers:
        for key, value in layer.items():
            _merge(tree, str(key), value)
    if not tree["methods"]:
        raise ConfigError("A comparison needs methods: name -> keys of the configuration, as in configs/compare.yaml. Received none.")
    if len(tree["methods"]) < 2:
        raise ConfigError(f"A comparison needs two methods at least; transfer fit trains one. Received {next(iter(tree['methods']))!r}.")
    try:
        config = ComparisonConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None
    if config.reference is not None and config.reference not in config.methods:
        near = nearest(config.reference, config.methods)
        hint = f" Did you mean {near!r}?" if near else ""
        raise ConfigError(
            f"reference is the name of a method, or empty.{hint} Expected one of: {', '.join(config.methods)}. "
            f"Received {config.reference!r}."
        )
    return config


def _merge(tree: dict[str, Any], key: str, value: Any) -> None:
    """Put one setting into the tree; those of `common` and of each method as dotted keys of the configuration."""
    section, dot, rest = key.partition(".")
    if section not in ComparisonConfig.model_fields or (dot and section not in _OPEN):
        valid = list(ComparisonConfig.model_fields)
        near = nearest(section, valid)
        hint = f" Did you mean {near!r}?" if near and near != section else ""
        raise ConfigError(f"Unknown key of a comparison {key!r}.{hint} Valid keys: {', '.join(valid)} (keys of methods go below methods).")
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
            f"methods.{name}: all methods have the same images and the same seeds. Set {shared[0]} in common"
            f"{' (it divides the data), and the seeds of the runs in seeds' if shared[0] == 'seed' else ''}. "
            f"Received methods.{name}.{shared[0]}={keys[shared[0]]!r}."
        )
    return keys


def _require_name(name: Any) -> None:
    if not isinstance(name, str) or not re.fullmatch(_NAME, name) or name != name.strip():
        raise ConfigError(
            "The name of a method begins with a letter or digit and has at most 40 letters, digits, spaces, and . _ + -. "
            f"Received {name!r}."
        )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file of settings; see `loading.read_mapping` for the errors."""
    return read_mapping(path)


def parse_assignment(text: str) -> dict[str, Any]:
    """Read one `key=value` of the command line: `sizes=[1,10]`, `common.image_size=64`, `methods.top.head.dropout=0.3`."""
    return assignment(text, "sizes=[1,10,all]")


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key, rule = str(first["loc"][0]), first["msg"].removeprefix("Value error, ")
    return f"Key {key!r} of a comparison: {rule[0].lower() + rule[1:]}. Received {key}={first['input']!r}."
