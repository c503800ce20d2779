"""Suffix and head as one network for fine-tuning, from the stored output of the prefix (or from pixels) to logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from transfer.models import backbones, heads
from transfer.models.pretrained import Pretrained
from transfer.models.registry import Cut

_KERNELS = ("kernel_regularizer", "depthwise_regularizer", "pointwise_regularizer")


@dataclass(frozen=True)
class Tunable:
    """What fine-tuning trains.

    Attributes:
        model: the prefix's output, [n, h, w, c] in the backbone's precision, -> logits, float32 [n, classes]; if the whole
            backbone is trained, from RGB in 0..255, float32 [n, size, size, 3].
        suffix: the backbone's layers in it; its weights are copies, so that the pretrained ones never change.
    """

    model: keras.Model
    suffix: keras.Model


def build(
    pretrained: Pretrained, boundary: Cut | None, cuts: Sequence[Cut], pooling: str, head: keras.Model, seed: int, l2: float = 0.0
) -> Tunable:
    """Build the trained part on top of a freeze boundary.

    Batch normalisation in the suffix always runs in inference mode: statistics of the few images used in fine-tuning would be
    worse than the pretrained ones. Its layers are therefore frozen, scale and shift included; calling the suffix with
    `training=False` is not enough, since Keras passes the mode of the whole network on to the layers inside.

    Args:
        pretrained: backbone with its weights.
        boundary: the place above which all layers train; None: the whole backbone.
        cuts: the cut points whose features the head gets, from the shallowest up; above the boundary, but the first may be it.
        pooling: of the head.
        head: pooled features -> logits, already trained; it is trained further, not copied.
        seed: of the dropout inside some backbones.
        l2: penalty on the kernels of the suffix.
    """
    base, backbone = pretrained.model, pretrained.backbone
    start = base.input if boundary is None else backbones.tensor_at(base, boundary)
    tensors = [backbones.tensor_at(base, cut) for cut in cuts]
    above = [tensor for tensor in tensors if tensor is not start]  # Keras refuses a model one of whose outputs is its input
    suffix = _copy(keras.Model(start, above if len(above) > 1 else above[0]), l2)
    backbones.seed_dropout(suffix, seed)
    inputs = keras.Input(start.shape[1:], name="images" if boundary is None else "maps", dtype=start.dtype)
    maps = suffix(backbones.preprocess(inputs, backbone) if boundary is None else inputs)
    of_cuts = [*([inputs] if len(above) < len(cuts) else []), *(maps if isinstance(maps, list) else [maps])]
    logits = head(heads.pool_all(of_cuts, pooling))
    return Tunable(keras.Model(inputs, logits, name="tunable"), suffix)


def rates(tunable: Tunable, decay: float) -> list[float]:
    """Return the factor of the learning rate for each trainable variable (Howard and Ruder 2018, section 3.2).

    1 for the head; `decay` for the topmost layer of the suffix that has weights, its square for the one below, and so on.
    """
    layers = [layer for layer in tunable.suffix.layers if layer.trainable_variables]
    factors = {id(variable): decay ** (len(layers) - depth) for depth, layer in enumerate(layers) for variable in layer.trainable_variables}
    return [factors.get(id(variable), 1.0) for variable in tunable.model.trainable_variables]


def _copy(model: keras.Model, l2: float) -> keras.Model:
    def copied(layer: keras.Operation) -> keras.Operation:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer):  # otherwise a sum or the like, without weights
            config |= {name: keras.regularizers.L2(l2) for name in _KERNELS if l2 and name in config}
            config["trainable"] = not isinstance(layer, keras.layers.BatchNormalization)
        return layer.__class__.from_config(config)

    copy = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    copy.name = "suffix"
    return copy
