"""Heads, the new part on top of a backbone: pooling, standardisation, dense layers with dropout and L2, logits."""

from collections.abc import Sequence

import keras
import numpy as np

from transfer.config import HeadConfig


def pool(features: keras.KerasTensor, pooling: str, name: str = "pool") -> keras.KerasTensor:
    """Feature map [n, h, w, c] -> vector, float32: mean or maximum over space [n, c], or all values [n, h*w*c]."""
    layers = {
        "avg": lambda: keras.layers.GlobalAveragePooling2D(dtype="float32", name=name),
        "max": lambda: keras.layers.GlobalMaxPooling2D(dtype="float32", name=name),
        "flatten": lambda: keras.layers.Flatten(dtype="float32", name=name),
    }
    return layers[pooling]()(features)


def poolings(pooling: str) -> tuple[str, ...]:
    """Return the kinds of pooling in a setting: `avg+max` is two, side by side."""
    return tuple(pooling.split("+"))


def pool_all(maps: Sequence[keras.KerasTensor], pooling: str) -> keras.KerasTensor:
    """Pool the maps of one cut point or of several, and join them: cut by cut, and in each the kinds of pooling.

    Args:
        maps: feature maps [n, h, w, c], from the shallowest cut point up.
        pooling: of the head.

    Returns:
        The input of the head without its pooling, float32 [n, width].
    """
    kinds = [(number, kind) for number in range(len(maps)) for kind in poolings(pooling)]
    if len(kinds) == 1:
        return pool(maps[0], pooling)
    return keras.layers.Concatenate(name="pool", dtype="float32")([pool(maps[at], kind, f"pool_{at + 1}_{kind}") for at, kind in kinds])


def build(
    width: int,
    classes: int,
    config: HeadConfig,
    seed: int,
    mean: np.ndarray | None = None,
    variance: np.ndarray | None = None,
    widths: Sequence[int] = (),
    own: keras.Model | None = None,
) -> keras.Model:
    """Build a head without its pooling.

    Args:
        width: length of the pooled feature vector.
        classes: number of classes.
        config: layers, dropout and L2.
        seed: of the initial weights and of dropout.
        mean, variance: float32 [width], of the training features; used if `config.standardize`.
        widths: of the blocks of features that have the same origin; none: a single one. See `scales`.
        own: the user's, [n, width] -> [n, classes], which gets the features as the dense layers would.

    Returns:
        Model from pooled features, float32 [n, width], to logits [n, classes].
    """
    seeds = iter(range(1000 * seed, 1000 * seed + 1000))
    features = keras.Input((width,), name="features", dtype="float32")
    x = features
    if config.kind == "linear":
        config = config.model_copy(update={"dense": (), "dropout": 0.0, "l2": 0.0})
    if config.standardize and mean is not None and variance is not None:
        scale = scales(widths or [width], config)
        x = keras.layers.Normalization(mean=mean, variance=safe(variance) / scale**2, name="standardize")(x)
    if own is not None:
        return keras.Model(features, own(x), name="head")
    for number, units in enumerate(config.dense, start=1):
        x = _dropped(x, config.dropout, next(seeds), f"dropout_{number}")
        x = _dense(units, "relu", config.l2, next(seeds), f"dense_{number}")(x)
    x = _dropped(x, config.dropout, next(seeds), "dropout")
    logits = _dense(classes, None, config.l2, next(seeds), "logits")(x)
    return keras.Model(features, logits, name="head")


def average(heads: Sequence[keras.Model]) -> keras.Model:
    """Join heads into one whose logits are the mean of theirs: float32 [n, width] -> [n, classes].

    Of the logits, not of the probabilities: what follows a head (temperature, softmax, heat map) then stays as it is for a single one.
    """
    features = keras.Input(heads[0].input_shape[1:], name="features", dtype="float32")
    named = [keras.Model(head.inputs[0], head.outputs[0], name=f"head_{number}") for number, head in enumerate(heads, start=1)]
    logits = keras.layers.Average(name="average", dtype="float32")([head(features) for head in named])
    return keras.Model(features, logits, name="head")


def scales(widths: Sequence[int], config: HeadConfig) -> np.ndarray:
    """Return the factor of each standardised feature, float32 [sum of widths].

    Each block counts the same, whatever its width: its features are divided by the root of their number. All are then multiplied
    by a constant that leaves their mean square at 1, so that learning rates and penalties mean what they do for a single block.
    """
    if len(widths) == 1 or not config.equal_weight:
        return np.ones(sum(widths), np.float32)
    each = [np.sqrt(sum(widths) / (len(widths) * width)) for width in widths]
    return np.repeat(each, widths).astype(np.float32)


def safe(variance: np.ndarray) -> np.ndarray:
    """Replace variances of almost zero by 1: a constant feature stays near zero instead of being blown up."""
    floor = 1e-6 * max(float(variance.max(initial=0.0)), 1e-12)
    return np.where(variance > floor, variance, 1.0).astype(np.float32)


def _dropped(x: keras.KerasTensor, rate: float, seed: int, name: str) -> keras.KerasTensor:
    return keras.layers.Dropout(rate, seed=seed, name=name)(x) if rate else x


def _dense(units: int, activation: str | None, l2: float, seed: int, name: str) -> keras.layers.Dense:
    initializer = keras.initializers.HeNormal(seed) if activation else keras.initializers.GlorotUniform(seed)
    regularizer = keras.regularizers.L2(l2) if l2 else None
    return keras.layers.Dense(units, activation=activation, kernel_initializer=initializer, kernel_regularizer=regularizer, name=name)
