"""YAML as it is read from files and from `--set`, and as it is written: one rule for all.

A bare word is `true` or `false`, empty (nothing, `~` or `null`), a number in decimal notation, or text. YAML 1.1, which PyYAML
follows otherwise, also reads `010` as 8, `1:30` as 90, `yes`, `no`, `on` and `off` as truth values, days as dates, and `1e-3` as text.
Text that a setting can take as a number (`010`: 10) or a truth value (`yes`) is taken by its kind (`values.py`).
"""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from transfer.errors import ConfigError

_NULL, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))
_FRACTION = r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_BARE = {  # the kind of a bare word: its pattern, and the characters that it may begin with
    _NULL: (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    _BOOL: (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    _INT: (r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    _FLOAT: (_FRACTION, list("-+.0123456789")),
}


class _Loader(yaml.SafeLoader):
    """A loader with the rule above, which refuses repeated keys: the second would silently replace the first."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way to begin without those of YAML 1.1


class _Dumper(yaml.SafeDumper):
    """A dumper that quotes text which YAML 1.1 or the rule above would read as something else."""


for _tag, (_pattern, _first) in _BARE.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(f"({_pattern})$"), _first)


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


def dump(tree: Mapping[str, Any]) -> str:
    """Return settings as YAML, in their order; reading it gives the same settings."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


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
    except (yaml.YAMLError, ValueError) as error:  # ValueError: bytes that are not text
        raise ConfigError(f"The configuration file {str(path)!r} is not YAML: {' '.join(str(error).split())}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"A configuration file holds `key: value` lines. Received {type(tree).__name__} in {str(path)!r}.")
    return {str(key): value for key, value in tree.items()}


def assignment(text: str, example: str) -> dict[str, Any]:
    """Parse one `key=value` of the command line without validating the key; the value is YAML, so numbers and lists work.

    Args:
        text: the argument of `--set`.
        example: a valid argument, shown in the error.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes key=value, for example --set {example}. Received {text!r}.")
    try:
        return {key.strip(): yaml.load(value, _Loader)}
    except (yaml.YAMLError, ValueError):
        raise ConfigError(f"The value after {key.strip()}= is not YAML. Received {value!r}.") from None
    except ConfigError as error:
        raise ConfigError(f"{key.strip()}: {error}") from None


def inline(value: Any) -> str:
    """Return a value as YAML on one line: `[256, 128]`, `auto`; nothing for None."""
    if value is None:
        return ""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=10**9, sort_keys=False)
    return text.removesuffix("...\n").strip()


def option(key: str, value: Any) -> str:
    """Return the option of the command line that sets a key, `--set 'data.exclude=[docs]'`; a text is not quoted for YAML."""
    text = inline(value) if value is not None else "null"
    if "'" in text:  # which the shell would need in pieces; JSON is YAML
        text = json.dumps(value, ensure_ascii=False)
    return f"--set {shlex.quote(f'{key}={value if isinstance(value, str) else text}')}"
