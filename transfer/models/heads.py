"""Heads, the new part on top of a backbone: pooling, standardisation, dense layers with dropout and L2, logits."""

import keras
import numpy as np

from transfer.config import HeadConfig


def pool(features: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    """Feature map [n, h, w, c] -> vector, float32: mean or maximum over space [n, c], or all values [n, h*w*c]."""
    layers = {
        "avg": lambda: keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool"),
        "max": lambda: keras.layers.GlobalMaxPooling2D(dtype="float32", name="pool"),
        "flatten": lambda: keras.layers.Flatten(dtype="float32", name="pool"),
    }
    return layers[pooling]()(features)


def build(
    width: int, classes: int, config: HeadConfig, seed: int, mean: np.ndarray | None = None, variance: np.ndarray | None = None
) -> keras.Model:
    """Build a head without its pooling.

    Args:
        width: length of the pooled feature vector.
        classes: number of classes.
        config: layers, dropout and L2.
        seed: of the initial weights and of dropout.
        mean, variance: float32 [width], of the training features; used if `config.standardize`.

    Returns:
        Model from pooled features, float32 [n, width], to logits [n, classes].
    """
    seeds = iter(range(1000 * seed, 1000 * seed + 1000))
    features = keras.Input((width,), name="features", dtype="float32")
    x = features
    if config.standardize and mean is not None and variance is not None:
        x = keras.layers.Normalization(mean=mean, variance=_safe(variance), name="standardize")(x)
    for number, units in enumerate(config.dense, start=1):
        x = _dropped(x, config.dropout, next(seeds), f"dropout_{number}")
        x = _dense(units, "relu", config.l2, next(seeds), f"dense_{number}")(x)
    x = _dropped(x, config.dropout, next(seeds), "dropout")
    logits = _dense(classes, None, config.l2, next(seeds), "logits")(x)
    return keras.Model(features, logits, name="head")


def _safe(variance: np.ndarray) -> np.ndarray:
    """Replace variances of almost zero by 1: a constant feature stays near zero instead of being blown up."""
    floor = 1e-6 * max(float(variance.max(initial=0.0)), 1e-12)
    return np.where(variance > floor, variance, 1.0).astype(np.float32)


def _dropped(x: keras.KerasTensor, rate: float, seed: int, name: str) -> keras.KerasTensor:
    return keras.layers.Dropout(rate, seed=seed, name=name)(x) if rate else x


def _dense(units: int, activation: str | None, l2: float, seed: int, name: str) -> keras.layers.Dense:
    initializer = keras.initializers.HeNormal(seed) if activation else keras.initializers.GlorotUniform(seed)
    regularizer = keras.regularizers.L2(l2) if l2 else None
    return keras.layers.Dense(units, activation=activation, kernel_initializer=initializer, kernel_regularizer=regularizer, name=name)
