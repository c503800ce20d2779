"""Rows for all networks of `keras.applications`, made from Keras itself: `backbone: keras.applications.ResNet101`.

The table (`registry.py`) has the networks that are tested here, with their cut points chosen by hand. For the others, the row is made by
a look at the network, once for each version of Keras: its size, what its weights expect, and its cut points (`cutting.py`).
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from transfer.errors import ConfigError, TransferError, named, unknown_name
from transfer.models.rows import Backbone, Preprocessing, from_json
from transfer.system.home import cache_home
from transfer.system.sealed import read_json, write_json
from transfer.system.startup import import_tensorflow_quietly

PREFIX = "keras.applications."

_FORMAT = 1  # raise it when rows are made otherwise
_SMALLEST = (32, 48, 64, 71, 75, 96, 128)
_SIZE = 224  # of networks that name none


def row(name: str) -> Backbone:
    """Return the row of a network of Keras.

    Args:
        name: of its function in `keras.applications`, without regard to case.

    Raises:
        ConfigError: with the valid names and the nearest one.
    """
    version = metadata.version("keras")
    folder = cache_home() / "applications"
    for place in folder.glob(f"*-keras-{version}.json"):
        if place.name.lower() == f"{name.lower()}-keras-{version}.json" and (stored := _read(place)):
            return stored  # without TensorFlow
    import_tensorflow_quietly()
    import keras

    valid = [each for each in dir(keras.applications) if each[0].isupper() and callable(getattr(keras.applications, each))]
    builder = named(name, valid)
    if builder is None:
        raise ConfigError("backbone: " + unknown_name("network of keras.applications", name, valid))
    # A new thread has its own Keras state: neither names nor weights without values are left behind.
    with ThreadPoolExecutor(max_workers=1) as thread:
        made = thread.submit(_made, builder).result()
    write_json(folder / f"{builder}-keras-{version}.json", {"format": _FORMAT, "row": asdict(made)})
    return made


def name_of(function: Any) -> str | None:
    """Return the name of one of Keras's own functions, `keras.applications.ResNet101`; None for anything else."""
    import keras

    name = str(getattr(function, "__name__", ""))
    return PREFIX + name if name and getattr(keras.applications, name, None) is function else None


def _read(place: Path) -> Backbone | None:
    content = read_json(place)
    return from_json(content["row"]) if content is not None and content.get("format") == _FORMAT else None


def _made(builder: str) -> Backbone:
    import keras

    from transfer.models.cutting import cut_points

    function: Any = getattr(keras.applications, builder)
    with keras.StatelessScope(initialize_variables=False):  # weights have shapes, but no values
        size = function(weights=None).input_shape[1] or _SIZE
        smallest = next((side for side in _SMALLEST if side <= size and _builds(function, side)), size)
        model = function(include_top=False, weights=None, input_shape=(size, size, 3))
        cuts = cut_points(model)
    module = sys.modules[function.__module__]
    return Backbone(PREFIX + builder, builder, _preprocessing(module.preprocess_input), size, smallest, cuts, paper="")


def _builds(function: Any, side: int) -> bool:
    try:
        function(include_top=False, weights=None, input_shape=(side, side, 3))
    except ValueError:
        return False
    return True


def _preprocessing(function: Any) -> Preprocessing:
    """Return what a network's weights expect, by what its function makes of grey levels."""
    import numpy as np
    from keras.applications.imagenet_utils import preprocess_input

    pixels = np.linspace(0, 240, 12, dtype=np.float32).reshape(1, 2, 2, 3)
    found = np.asarray(function(pixels.copy()))
    if np.array_equal(found, pixels):
        return "inside"
    modes: tuple[Preprocessing, ...] = ("caffe", "tf", "torch")
    for mode in modes:
        if np.allclose(found, preprocess_input(pixels.copy(), mode=mode), atol=1e-4):
            return mode
    raise TransferError(f"The preprocessing of {function.__module__} is none that is known. Expected caffe, tf, torch, or none.")
