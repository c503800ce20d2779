"""A backbone cut in two: prefix and suffix, whose composition equals the backbone."""

import keras

from transfer.models.backbones import preprocess
from transfer.models.registry import Backbone, Cut


def tensor_at(model: keras.Model, cut: Cut) -> keras.KerasTensor:
    """Return the tensor of a backbone at a cut point."""
    if not cut.layer:
        return model.output
    layer = model.get_layer(cut.layer)
    if not cut.before:
        return layer.output
    # A nested Sequential has a node of its own beside the one in the backbone: take the one the backbone made.
    known = {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
    node = next(node for node in layer._inbound_nodes if id(node) in known)
    return node.input_tensors[0]


def prefix(model: keras.Model, cut: Cut) -> keras.Model:
    """Return the backbone up to a cut point: preprocessed images -> feature map."""
    return _frozen(keras.Model(model.input, tensor_at(model, cut), name="prefix"))


def suffix(model: keras.Model, cut: Cut, top: Cut | None = None) -> keras.Model:
    """Return the backbone from a cut point up to another one (the top by default): feature map -> feature map."""
    start = tensor_at(model, cut)
    end = model.output if top is None else tensor_at(model, top)
    if start is end:  # nothing lies between: the identity
        end = keras.layers.Identity(dtype=start.dtype)(start)
    return _frozen(keras.Model(start, end, name="suffix"))


def from_pixels(model: keras.Model, backbone: Backbone, cut: Cut) -> keras.Model:
    """Return preprocessing and prefix: RGB in 0..255, float32 [n, size, size, 3] -> feature map."""
    images = keras.Input(model.input_shape[1:], name="images", dtype="float32")
    features = prefix(model, cut)(preprocess(images, backbone), training=False)
    return _frozen(keras.Model(images, features, name=f"{backbone.name}_{cut.name}"))


def _frozen(model: keras.Model) -> keras.Model:
    model.trainable = False
    return model
