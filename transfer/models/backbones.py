"""Pretrained networks of `keras.applications`, built to a size and a precision, with their preprocessing."""

from typing import Any

import keras

from transfer.errors import TransferError
from transfer.models.precision import building_in
from transfer.models.registry import Backbone, require_size

# ImageNet's channel means and deviations, as in keras.applications.imagenet_utils.
_CAFFE_MEAN_BGR = [103.939, 116.779, 123.68]
_TORCH_MEAN = [0.485, 0.456, 0.406]
_TORCH_DEVIATION = [0.229, 0.224, 0.225]


def build(backbone: Backbone, size: int, precision: str = "float32") -> keras.Model:
    """Build a backbone without its classifier and without pretrained weights.

    Args:
        backbone: row of the table.
        size: side of the images in pixels.
        precision: `float32`, `bfloat16` or `float16`.

    Returns:
        Model from preprocessed images, float32 [n, size, size, 3], to the top feature map. It is not trainable.

    Raises:
        ConfigError: where the size is smaller than the backbone accepts.
    """
    require_size(backbone.name, size, backbone.smallest)
    if keras.backend.backend() != "tensorflow":
        raise TransferError(
            "Keras must run on TensorFlow: tf.data and SavedModel are TensorFlow's. Set KERAS_BACKEND=tensorflow. "
            f"Received KERAS_BACKEND={keras.backend.backend()}."
        )
    with building_in(precision):
        builder: Any = getattr(keras.applications, backbone.builder)
        model: keras.Model = builder(include_top=False, weights=None, input_shape=(size, size, 3))
    model.trainable = False
    return model


def seed_dropout(model: keras.Model, seed: int) -> None:
    """Give the dropout layers inside a backbone (EfficientNetV2 has some) seeds of their own; Keras draws them at random."""
    layers = [layer for layer in model.layers if getattr(layer, "seed_generator", None) is not None]
    for number, layer in enumerate(layers):
        layer.seed_generator.state.assign([seed, 2**20 + number])


def preprocess(images: keras.KerasTensor, backbone: Backbone) -> keras.KerasTensor:
    """RGB in 0..255, float32 [n, h, w, 3] -> what the backbone's weights expect, with Keras's own layers in float32."""
    if backbone.preprocessing == "caffe":
        bgr = keras.ops.flip(images, axis=-1)
        return keras.layers.Rescaling(1.0, [-mean for mean in _CAFFE_MEAN_BGR], dtype="float32", name="preprocess")(bgr)
    if backbone.preprocessing == "tf":
        return keras.layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="preprocess")(images)
    if backbone.preprocessing == "torch":
        scale = [1 / (255 * deviation) for deviation in _TORCH_DEVIATION]
        offset = [-mean / deviation for mean, deviation in zip(_TORCH_MEAN, _TORCH_DEVIATION, strict=True)]
        return keras.layers.Rescaling(scale, offset, dtype="float32", name="preprocess")(images)
    return images
