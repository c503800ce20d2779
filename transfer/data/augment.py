"""Seeded, stateless views of an image: the same (digest, view, seed) always gives the same pixels.

View 0 is the plain image. Views from 1 on are mirrored, cropped, rotated (one projective resampling, edges reflected)
and changed in brightness, contrast and saturation, within the limits of the configuration.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from transfer.config import AugmentConfig

AUGMENT_VERSION = 1
"""Part of the key of stored views from 1 on: raise it whenever their pixels change."""


def view_seed(digest: str, view: int, seed: int) -> tuple[int, int]:
    """Return the two 31-bit seeds of one view of the image with this digest."""
    first, second = view_seeds([digest], view, seed)[0].tolist()
    return first, second


def view_seeds(digests: Iterable[str], view: int, seed: int) -> np.ndarray:
    """Return the `view_seed` of each image, int64 [n, 2]."""
    mixed = [hashlib.sha256(f"{digest}/{view}/{seed}".encode()).digest()[:8] for digest in digests]
    return (np.frombuffer(b"".join(mixed), ">u4") >> 1).astype(np.int64).reshape(-1, 2)


def settings_tag(config: AugmentConfig, seed: int) -> str:
    """Return what determines a view's pixels besides digest and view index: part of its key in the store."""
    limits = f"{config.flip:d},{config.crop:.15g},{config.color:.15g},{config.rotation:.15g}"
    return f"augment{AUGMENT_VERSION}:{limits},{seed}"


def augment(image: tf.Tensor, seeds: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """Return one view.

    Args:
        image: uint8 [size, size, 3].
        seeds: int [2], from `view_seed`.
        config: the limits of each change.

    Returns:
        uint8 [size, size, 3].
    """
    numbers = tf.random.stateless_uniform([8], seeds, -1.0, 1.0)
    moved = _resampled(tf.cast(image, tf.float32), numbers, config)
    changed = _recoloured(moved, numbers[5:], config.color) if config.color else moved
    return tf.cast(tf.clip_by_value(changed, 0.0, 255.0) + 0.5, tf.uint8)


def _resampled(image: tf.Tensor, numbers: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """Crop, mirror and rotate about the centre in one bilinear resampling."""
    size = image.shape[0]
    scale = 1.0 - config.crop * (numbers[0] + 1) / 2
    slack = (1.0 - scale) * size / 2
    angle = numbers[1] * config.rotation * 3.141592653589793 / 180
    mirror = tf.where((numbers[2] < 0) & config.flip, -1.0, 1.0)
    cosine, sine = scale * tf.cos(angle), scale * tf.sin(angle)
    centre = (size - 1) / 2
    # Rows of the map from output to input coordinates: x' = a x + b y + c.
    a, b, d, e = mirror * cosine, -sine, mirror * sine, cosine
    c = centre - (a + b) * centre + numbers[3] * slack
    f = centre - (d + e) * centre + numbers[4] * slack
    zero = tf.constant(0.0)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[tf.newaxis],
        transforms=tf.stack([a, b, c, d, e, f, zero, zero])[tf.newaxis],
        output_shape=tf.constant([size, size]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )[0]


def _recoloured(image: tf.Tensor, numbers: tf.Tensor, limit: float) -> tf.Tensor:
    brightness, contrast, saturation = (1.0 + limit * numbers[i] for i in range(3))
    image = image * brightness
    mean = tf.reduce_mean(image)
    image = (image - mean) * contrast + mean
    grey = tf.reduce_sum(image * tf.constant([0.299, 0.587, 0.114]), -1, keepdims=True)
    return (image - grey) * saturation + grey
