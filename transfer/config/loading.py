"""Settings from Python, YAML and the command line -> a validated configuration. Does not import TensorFlow."""

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from transfer.config.schema import Config, validated
from transfer.errors import ConfigError, nearest


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
            last_parts = {option.rsplit(".", 1)[-1]: option for option in reversed(valid)}  # of several with the same last part, the first
            meant = ".".join([key, *map(str, list(value)[:1])]) if isinstance(value, Mapping) else key  # a misspelt section
            near = nearest(meant, valid) or last_parts.get(nearest(str(name), last_parts) or "")
            hint = f" Did you mean {near!r}?" if near else ""
            raise ConfigError(f"Unknown configuration key {key!r}.{hint} Valid keys: {', '.join(valid)}.")
    return flat


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


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses repeated keys: the second would silently replace the first."""


def _mapping_without_repeats(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float):
            continue
        if key in seen:
            raise ConfigError(f"A key may appear only once in a mapping, line {key_node.start_mark.line + 1}. Received {key!r} twice.")
        seen.add(key)
    loader.flatten_mapping(node)
    found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return found


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repeats)


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file of `key: value` lines, without validating its keys.

    Raises:
        ConfigError: if the file is missing, not YAML, not a mapping, or repeats a key.
    """
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ConfigError(f"The configuration file cannot be read: {error.strerror}. Received {str(path)!r}.") from None
    except ConfigError as error:
        raise ConfigError(f"{str(path)!r}: {error}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: bytes that are not text, or impossible dates
        raise ConfigError(f"The configuration file {str(path)!r} is not YAML: {' '.join(str(error).split())}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"A configuration file holds `key: value` lines. Received {type(tree).__name__} in {str(path)!r}.")
    return {str(key): value for key, value in tree.items()}


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration file as dotted keys.

    Raises:
        ConfigError: as in `read_mapping`, and for unknown keys.
    """
    return flatten(read_mapping(path))


def parse_assignment(text: str) -> dict[str, Any]:
    """Parse one `key=value` of the command line into dotted keys."""
    return flatten(assignment(text, "head.dropout=0.3"))


def assignment(text: str, example: str) -> dict[str, Any]:
    """Parse one `key=value` without validating the key; the value is YAML, so numbers and lists work.

    Args:
        text: the argument of `--set`.
        example: a valid argument, shown in the error.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes key=value, for example --set {example}. Received {text!r}.")
    try:
        return {key.strip(): yaml.safe_load(value)}
    except (yaml.YAMLError, ValueError):
        raise ConfigError(f"The value after {key.strip()}= is not YAML. Received {value!r}.") from None


def option(key: str, value: Any) -> str:
    """Return the option of the command line that sets a key, `--set 'data.exclude=[docs]'`; a text is not quoted for YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9, sort_keys=False).strip()
    if "'" in text:  # which the shell would need in pieces; JSON is YAML
        text = json.dumps(value, ensure_ascii=False)
    return f"--set {shlex.quote(f'{key}={value if isinstance(value, str) else text}')}"
