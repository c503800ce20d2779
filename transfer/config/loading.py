"""Settings from Python, YAML and the command line -> a validated configuration. Does not import TensorFlow."""

import difflib
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from transfer.config.schema import Config, validated
from transfer.config.yaml_text import assignment, read_mapping
from transfer.errors import ConfigError

_OTHERS = 4  # beside the nearest key
_ALIKE = 0.5  # as in `errors.nearest`; the ratio of difflib


def keys(model: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """Return all configuration keys, dotted."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += keys(kind, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted keys; unknown keys are refused, naming the nearest valid one."""
    valid = keys()
    sections = {key.rsplit(".", 1)[0] for key in valid if "." in key}
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if key in sections:
            if not isinstance(value, Mapping):
                raise ConfigError(f"Configuration key {key!r} is a section. Expected keys below it. Received {value!r}.")
            flat |= flatten(value, f"{key}.")
        elif key in valid:
            flat[key] = value
        else:
            meant = ".".join([key, *map(str, list(value)[:1])]) if isinstance(value, Mapping) else key  # a misspelt section
            raise ConfigError(f"Unknown configuration key {key!r}. {_meant(meant, valid)}")
    return flat


def last_parts() -> dict[str, str]:
    """Return the last part of each key -> the key; of several with the same last part, the first."""
    return {key.rsplit(".", 1)[-1]: key for key in reversed(keys())}


def _meant(key: str, valid: list[str]) -> str:
    """Return the sentence on what an unknown key may have meant: the nearest key and others like it, or where keys are listed."""
    name = key.rsplit(".", 1)[-1]

    def likeness(option: str) -> float:
        return max(_ratio(key, option), _ratio(name, option.rsplit(".", 1)[-1]))

    near, *others = sorted(valid, key=likeness, reverse=True)
    if likeness(near) < _ALIKE:
        return f"Expected one of {', '.join(Config.model_fields)}, or a key below one of them; the config.yaml of a run lists all."
    return f"Did you mean {near!r}? Others like it: {', '.join(others[:_OTHERS])}. The config.yaml of a run lists all."


def _ratio(first: str, second: str) -> float:
    return difflib.SequenceMatcher(None, first.lower(), second.lower()).ratio()


def build(layers: Iterable[Mapping[str, Any]]) -> Config:
    """Merge mappings (nested or dotted) into a validated configuration; later ones override earlier ones.

    Raises:
        ConfigError: for an unknown key or an invalid value.
    """
    flat: dict[str, Any] = {}
    for layer in layers:
        flat |= flatten(layer)
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return validated(tree)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration file as dotted keys.

    Raises:
        ConfigError: as in `read_mapping`, and for unknown keys.
    """
    return flatten(read_mapping(path))


def parse_assignment(text: str) -> dict[str, Any]:
    """Parse one `key=value` of the command line into dotted keys."""
    return flatten(assignment(text, "head.dropout=0.3"))


class Unset(Enum):
    """The default of an argument that leaves a setting as it is configured; None is a value of many settings."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "<as configured>"


UNSET = Unset.UNSET


def given(**settings: Any) -> dict[str, Any]:
    """Return the settings that are set; `training__epochs` stands for `training.epochs`."""
    return {name.replace("__", "."): value for name, value in settings.items() if value is not UNSET}
