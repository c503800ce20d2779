"""Keras's preprocessing layers as live views: the same seeds give the same view, so that training can resume.

Keras seeds its random layers by a state that changes with each call, in the order of the calls. Here each image gives its own seeds.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer.errors import ConfigError
from transfer.models.own import architecture, kept

_KEY = "augment.layers"
_SIDE = 32  # px of the images on which they are tried
_WITH_LABELS = ("MixUp", "CutMix")


class _Given(keras.random.SeedGenerator):
    """A generator whose seeds are those of one image and its view, one after the other."""

    def __init__(self, seeds: tf.Tensor) -> None:
        self.left, self.calls = seeds, 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        """Return int32 [2]."""
        self.calls += 1
        return tf.cast(self.left, tf.int32) + tf.constant([0, self.calls], tf.int32)


def view(layers: str) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return the function (image, seeds) -> view, uint8 [size, size, 3].

    Args:
        layers: JSON of Keras's layers, as in `Parts.layers`.
    """
    made = [keras.saving.deserialize_keras_object(one, safe_mode=True) for one in json.loads(layers)]

    def changed(image: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        values = tf.cast(image, tf.float32)[tf.newaxis]
        for number, layer in enumerate(made):
            values = _applied(layer, values, seeds + tf.constant([number * 1009, 0], seeds.dtype))
        return tf.cast(tf.clip_by_value(tf.cast(values[0], tf.float32), 0.0, 255.0) + 0.5, tf.uint8)

    return changed


def _applied(layer: Any, images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    if not hasattr(layer, "get_random_transformation"):
        return layer(images, training=True)
    transformation = layer.get_random_transformation(images, training=True, seed=_Given(seeds))
    return layer.transform_images(images, transformation, training=True)


def adopt(given: Any) -> tuple[str, str]:
    """Check layers and keep them in the cache; return their name in the configuration, and their JSON.

    Args:
        given: a Keras layer, a list of them, or a Sequential.

    Raises:
        ConfigError: if one is no layer of images, looks at labels or at other images, or does not give the same view for the same seeds.
    """
    layers = _listed(given)
    architecture.require_layers(layers, _KEY)
    for layer in layers:
        if type(layer).__name__ in _WITH_LABELS:
            raise ConfigError(
                f"{_KEY}: a view is of one image with its own label. Expected layers without others. Received {type(layer).__name__}."
            )
    text = json.dumps([keras.saving.serialize_keras_object(layer) for layer in layers], sort_keys=True)
    _try(layers, text)
    name = "-".join(type(layer).__name__ for layer in layers)
    part = kept.reference(name, architecture.digest_of([json.dumps(_without_names(json.loads(text)), sort_keys=True)]))
    kept.keep(part, {"text": text}, [])
    return part, text


def _listed(given: Any) -> list[Any]:
    layers = list(given.layers) if isinstance(given, keras.Sequential) else list(given) if isinstance(given, Sequence) else [given]
    wrong = [one for one in layers if not isinstance(one, keras.layers.Layer)]
    if wrong or not layers:
        raise ConfigError(
            f"{_KEY}: expected Keras layers, such as [keras.layers.RandomFlip('horizontal'), keras.layers.RandomRotation(0.05)]. "
            f"Received {type(wrong[0]).__name__ if wrong else 'none'}."
        )
    return layers


def _try(layers: Sequence[Any], text: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3)).astype(np.uint8)
    called = ", ".join(type(layer).__name__ for layer in layers)
    try:
        change = tf.function(view(text))
        first, again = (np.asarray(change(tf.constant(image), tf.constant([5, 7], tf.int64))) for _ in range(2))
    except Exception as error:  # Keras raises all kinds of errors
        raise ConfigError(f"{_KEY}: they cannot make a view: {' '.join(str(error).split())[:200]}. Received {called}.") from None
    if first.shape != image.shape:
        raise ConfigError(f"{_KEY}: a view is as large as its image. Expected {image.shape}. Received {first.shape} from {called}.")
    if not np.array_equal(first, again):
        raise ConfigError(
            f"{_KEY}: the same seeds must give the same view, so that training can resume. Expected Keras's own layers, or subclasses of "
            f"keras.layers.BaseImagePreprocessingLayer that draw by get_random_transformation(seed=...). Received {called}."
        )


def _without_names(layers: list[Any]) -> list[Any]:
    """Return them without what Keras numbers."""
    return [{**layer, "config": {key: value for key, value in layer["config"].items() if key != "name"}} for layer in layers]
