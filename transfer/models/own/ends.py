"""What is put before and after an own backbone: preprocessing of its images, and tokens as a feature map."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from transfer.errors import ConfigError
from transfer.models.backbones import preprocess
from transfer.models.graph import all_layers
from transfer.models.own import architecture
from transfer.models.rows import Backbone

_MODES = ("caffe", "tf", "torch", "none")


def to_map(model: keras.Model) -> Callable[[Any], Any] | None:
    """Return what makes a feature map of the output: nothing, or the arrangement of tokens in their grid."""
    if len(model.outputs) != 1:
        return None
    shape = tuple(model.outputs[0].shape)
    if len(shape) == 4:
        return None
    if len(shape) == 3 and shape[1] is not None:
        for extra in (0, 1):  # the class token comes first; its neighbours are no places
            side = math.isqrt(shape[1] - extra)
            if side > 1 and side * side == shape[1] - extra:
                return _Grid(extra, (side, side, shape[2]))
    advice = "Leave its pooling and classifier out (include_top=False, pooling=None), " if len(shape) == 2 else ""
    raise ConfigError(
        f"backbone: expected a feature map (None, height, width, channels), or tokens of a square grid. {advice}"
        f"{'or cut' if advice else 'Cut'} it: keras.Model(model.input, model.get_layer(NAME).output). Received {model.name!r}, which "
        f"gives {shape}."
    )


@dataclass(frozen=True)
class _Grid:
    """Tokens [n, t, c] -> map [n, h, w, c], without the extra tokens before them."""

    extra: int
    shape: tuple[int, int, int]

    def __call__(self, tokens: Any) -> Any:
        places = tokens[:, self.extra :] if self.extra else tokens
        if isinstance(tokens, keras.KerasTensor):
            return keras.layers.Reshape(self.shape, name="tokens_to_grid")(places)
        return keras.ops.reshape(places, (-1, *self.shape))


def preprocessing(given: Any) -> Callable[[Any], Any] | None:
    if isinstance(given, str) and given.lower() in _MODES:
        mode: Any = "inside" if given.lower() == "none" else given.lower()
        row = Backbone("own", "", mode, 0, 0, (), "")
        return None if mode == "inside" else (lambda images: preprocess(images, row))
    if callable(given):
        if isinstance(given, keras.layers.Layer):
            architecture.require_layers(all_layers(given), "preprocess")
        return lambda images: _prepared(given, images)
    raise ConfigError(
        "preprocess: an own backbone needs what its weights expect of RGB in 0..255. Expected one of: "
        f"{', '.join(_MODES)}, a Keras model or layer, or a function on Keras tensors. Received {given!r}."
    )


def _prepared(given: Any, images: Any) -> Any:
    try:
        found = given(images)
    except Exception as error:  # whatever the user's function raises
        raise ConfigError(
            f"preprocess: it cannot be computed on Keras tensors ({type(error).__name__}: {' '.join(str(error).split())[:160]}). Use "
            f"keras.ops in place of NumPy and TensorFlow. Received {called(given)}."
        ) from None
    if len(getattr(found, "shape", ())) != 4:
        raise ConfigError(f"preprocess: expected images (None, height, width, channels) of it. Received {found!r}.")
    return found


def called(given: Any) -> str:
    """Return what an object is called in errors."""
    return getattr(given, "__name__", None) or type(given).__name__
