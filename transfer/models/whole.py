"""A network of `keras.applications` trained as a whole from random weights: `weights: random` with `unfreeze_from: all`.

With their published classifiers at 1,000 classes: VGG16 at 224 px with `head.pooling: flatten`, `head.dense: [4096, 4096]` has
138,357,544 parameters (Simonyan and Zisserman 2015); InceptionV3 at 299 px with `head.pooling: avg`, `head.dense: []` has
23,851,784 (Szegedy et al. 2016).
"""

from collections.abc import Callable

import keras

from transfer.config import HeadConfig
from transfer.models import backbones, heads, weights
from transfer.models.registry import Backbone

OwnHead = Callable[[int, int, int], keras.Model]
"""(width, classes, seed) -> the user's head; see `own.head.Head.build`."""


def build(
    backbone: Backbone,
    truncate_at: str,
    size: int,
    classes: int,
    head: HeadConfig,
    seed: int,
    precision: str = "float32",
    own: OwnHead | None = None,
) -> keras.Model:
    """Build a truncated backbone and a head, both entirely trainable.

    Args:
        backbone: row of the table.
        truncate_at: cut point where it ends, or `top`.
        size: side of the images in pixels.
        classes: number of classes.
        head: pooling, dense layers, dropout and L2; it does not standardise, since the features change during training.
        seed: of the weights.
        precision: of the backbone's products; the head computes in float32.
        own: builds the user's head.

    Returns:
        Model from RGB in 0..255, float32 [n, size, size, 3], to logits [n, classes]. Its batch normalisation learns.
    """
    model = assemble(backbone, truncate_at, size, classes, head, seed, precision, own)
    weights.randomize(model.get_layer("trunk"), seed)
    backbones.seed_dropout(model.get_layer("trunk"), seed)
    return model


def assemble(
    backbone: Backbone,
    truncate_at: str,
    size: int,
    classes: int,
    head: HeadConfig,
    seed: int,
    precision: str = "float32",
    own: OwnHead | None = None,
) -> keras.Model:
    """Do as `build`, with the trunk's weights as Keras draws them; within a stateless scope, they take no memory."""
    base = backbones.build(backbone, size, precision)
    base.trainable = True
    images = keras.Input((size, size, 3), name="images", dtype="float32")
    trunk = keras.Model(base.input, backbones.tensor_at(base, backbone.cut(truncate_at)), name="trunk")
    vector = heads.pool_all([trunk(backbones.preprocess(images, backbone))], head.pooling)
    width = vector.shape[-1]
    logits = heads.build(width, classes, head, seed, own=own(width, classes, seed) if own else None)(vector)
    return keras.Model(images, logits, name=backbone.identifier)
