"""Types of settings with rules of their own: globs and folders inside DATA, ranges of values."""

import math
import posixpath
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator

Split = Literal["train", "validation", "test"]
_SPLITS = get_args(Split)
_EXPECTED = f"expected auto, off, or the folders of the splits, at least of train: {{{', '.join(f'{split}: FOLDER' for split in _SPLITS)}}}"


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _globs(value: Any) -> Any:
    patterns = _one_or_more([] if value is None else value)
    if not isinstance(patterns, list | tuple) or not all(isinstance(one, str) and one.strip("/ ") for one in patterns):
        raise ValueError("expected names or globs, in quotes where YAML would read something else: [docs, '*_mask.png', '2']")
    return patterns


Globs = Annotated[tuple[str, ...], BeforeValidator(_globs)]
"""Patterns of names or paths; a single one needs no list."""


def _split_folders(value: Any) -> Any:
    """Return the folders of each split, without `./` and without a `/` at the end."""
    if value is False or value in ("auto", "off"):  # YAML reads a bare `off` as false
        return value or "off"
    if not isinstance(value, Mapping) or "train" not in value or not set(value) <= set(_SPLITS):
        raise ValueError(_EXPECTED)
    folders = {split: _one_or_more(named) for split, named in value.items()}
    for named in folders.values():
        if not isinstance(named, list | tuple) or not named or not all(isinstance(folder, str) for folder in named):
            raise ValueError(_EXPECTED)
    folders = {split: tuple(posixpath.normpath(folder) for folder in named) for split, named in folders.items()}
    every = sorted(folder for named in folders.values() for folder in named)
    if any(folder.split("/")[0] in ("", ".", "..") for folder in every):
        raise ValueError("each folder lies inside DATA and is named from there, without .. or a / at the beginning")
    if any(f"{later}/".startswith(f"{folder}/") for place, folder in enumerate(every) for later in every[place + 1 :]):
        raise ValueError("no folder may be named twice, or lie inside another one that is named")
    return folders


SplitFolders = Annotated[Literal["auto", "off"] | dict[Split, tuple[str, ...]], BeforeValidator(_split_folders)]
"""How the splits of a folder are found: by the names of its sub-folders, not at all, or split -> its folders, from DATA."""


def _value_range(value: Any) -> Any:
    if value in ("auto", "dtype"):
        return value
    try:
        low, high = (float(one) for one in value if not isinstance(one, bool))
        if low < high and math.isfinite(high - low):
            return low, high
    except (TypeError, ValueError):
        pass
    raise ValueError("expected auto, dtype, or two numbers, the lower one first, such as [0, 4095]")


ValueRange = Annotated[Literal["auto", "dtype"] | tuple[float, float], BeforeValidator(_value_range)]
"""What becomes black and white: chosen, all values of a type, or from the lower number to the higher one."""
