"""Pretrained networks of `keras.applications`: built to a size and a precision, with their preprocessing, cut at a point."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from transfer.errors import ConfigError, TransferError
from transfer.models.graph import input_of
from transfer.models.own import architecture
from transfer.models.registry import Backbone, Cut, require_size

# ImageNet's channel means and deviations, as in keras.applications.imagenet_utils.
_CAFFE_MEAN_BGR = [103.939, 116.779, 123.68]
_TORCH_MEAN = [0.485, 0.456, 0.406]
_TORCH_DEVIATION = [0.229, 0.224, 0.225]

# Keras's dtype policies: the weights stay in float32, products are computed in 16 bits.
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


@contextmanager
def building_in(precision: str) -> Iterator[None]:
    """Let layers made inside compute in this precision; Keras's global policy is restored afterwards."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build(backbone: Backbone, size: int, precision: str = "float32") -> keras.Model:
    """Build a backbone without its classifier and without pretrained weights.

    Args:
        backbone: row of the table.
        size: side of the images in pixels.
        precision: `float32`, `bfloat16` or `float16`.

    Returns:
        Model from preprocessed images, float32 [n, size, size, 3], to the top feature map. It is not trainable.

    Raises:
        ConfigError: if the size is smaller than the backbone accepts.
    """
    require_size(backbone.name, size, backbone.smallest)
    if keras.backend.backend() != "tensorflow":
        raise TransferError(
            "Keras must run on TensorFlow: tf.data and SavedModel are TensorFlow's. Set KERAS_BACKEND=tensorflow. "
            f"Received KERAS_BACKEND={keras.backend.backend()}."
        )
    if backbone.architecture:
        return _own(backbone, size, precision)
    with building_in(precision):
        builder: Any = getattr(keras.applications, backbone.builder)
        model: keras.Model = builder(include_top=False, weights=None, input_shape=(size, size, 3))
    model.trainable = False
    return model


def _own(backbone: Backbone, size: int, precision: str) -> keras.Model:
    try:
        with building_in(precision):
            model = architecture.build(backbone.architecture, precision, None if backbone.only_size else size)
            keras.Model(model.inputs, [tensor_at(model, cut) for cut in backbone.cuts])
    except Exception as error:  # classes that are not known here, sizes that the network does not take
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise ConfigError(
            f"backbone: the own backbone cannot be built for images of {size} x {size} pixels: {reason}. If it has layers of your own, "
            f"import the module that registers them. Received backbone={backbone.name}."
        ) from None
    model.trainable = False
    return model


def seed_dropout(model: keras.Model, seed: int) -> None:
    """Seed the dropout layers inside a backbone (EfficientNetV2 has some), which Keras seeds at random."""
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


def tensor_at(model: keras.Model, cut: Cut) -> keras.KerasTensor:
    """Return the tensor of a backbone at a cut point."""
    if not cut.layer:
        return model.output
    layer = next(each for each in model.operations if each.name == cut.layer)  # a sum of two maps is no layer
    return input_of(model, layer) if cut.before else layer.output


def prefix(model: keras.Model, backbone: Backbone, *cuts: Cut) -> keras.Model:
    """Return a backbone up to its deepest cut point, with its preprocessing: RGB in 0..255, float32 [n, size, size, 3] -> feature map;
    with several cut points, a list of them."""
    images = keras.Input(model.input_shape[1:], name="images", dtype="float32")
    tensors = [tensor_at(model, cut) for cut in cuts]
    below = keras.Model(model.input, tensors if len(cuts) > 1 else tensors[0], name="prefix")
    name = "_".join([backbone.identifier, *(cut.name for cut in cuts)])
    made = keras.Model(images, below(preprocess(images, backbone), training=False), name=name)
    made.trainable = False
    return made
