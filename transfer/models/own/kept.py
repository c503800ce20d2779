"""Own parts in the cache: each in a folder named by its digest, so that a run's config.yaml finds again what was given in Python."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import ConfigError
from transfer.models.rows import Backbone, from_json
from transfer.system.home import cache_home
from transfer.system.sealed import read_arrays, read_json, write_arrays, write_json

PREFIX = "own:"

OWN = "own"
"""The value of `weights` for an own backbone with the weights that it was given with."""

_FORMAT = 1
_NAME = re.compile(r"own:([^:]+):([0-9a-f]{16})")


def reference(name: str, digest: str) -> str:
    """Return how a configuration names an own part: `own:NAME:DIGEST`."""
    return f"{PREFIX}{re.sub(r'[^A-Za-z0-9_.-]', '_', name)[:40] or 'part'}:{digest}"


def title(name: str) -> str:
    """Return the name of a network as people call it: of an own part without its digest."""
    found = _NAME.fullmatch(name)
    return found[1] if found else name


def is_own(name: str) -> bool:
    """Return whether a configuration names an own part."""
    return name.startswith(PREFIX)


def keep(part: str, facts: dict[str, Any], arrays: list[np.ndarray]) -> None:
    """Keep a part: facts about it, and its weights."""
    folder = _folder(part)
    folder.mkdir(parents=True, exist_ok=True)
    write_arrays(folder / "weights.npz", {f"w{number}": array for number, array in enumerate(arrays)})
    write_json(folder / "part.json", {"format": _FORMAT, **facts})


def facts(part: str, key: str) -> dict[str, Any]:
    """Return what is known of a part; imports no TensorFlow.

    Args:
        part: see `reference`.
        key: of the configuration that names it.

    Raises:
        ConfigError: if it is not there: it was given on another machine, or the cache was deleted.
    """
    found = read_json(_folder(part) / "part.json") if _NAME.fullmatch(part) else None
    if found is None or found.get("format") != _FORMAT:
        raise _missing(part, key)
    return found


def weights(part: str, key: str) -> list[np.ndarray]:
    """Return the weights of a part, in Keras's order; errors as of `facts`."""
    arrays = read_arrays(_folder(part) / "weights.npz") if _NAME.fullmatch(part) else None
    if arrays is None:
        raise _missing(part, key)
    return [arrays[f"w{number}"] for number in range(len(arrays))]


def backbone_row(part: str) -> Backbone:
    """Return the row of an own backbone; errors as of `facts`."""
    return from_json(facts(part, "backbone")["row"])


def keep_backbone(row: Backbone, arrays: list[np.ndarray]) -> None:
    """Keep an own backbone."""
    keep(row.name, {"row": asdict(row)}, arrays)


def _folder(part: str) -> Path:
    return cache_home() / "parts" / part.rpartition(":")[2]


def _missing(part: str, key: str) -> ConfigError:
    found = _NAME.fullmatch(part)
    name = repr(found[1]) if found else "a part of the user's"
    return ConfigError(
        f"{key}: {name} was given in Python, and this machine's cache does not have it. Give it again, as the run was made: "
        f"transfer.fit(..., {key}=OBJECT). Received {key}={part}."
    )
