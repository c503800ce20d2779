"""Thumbnails: small copies of the images, which show what features do not: colour, borders, blank images.

They are computed from the same decoded batch as the features, so the data checks need no second decoding.
"""

import numpy as np
import tensorflow as tf

SIDE = 32
"""Side of a thumbnail in pixels."""

THUMBNAIL = f"thumbnail:{SIDE}"
"""Name of the output in the store."""


def thumbnail(batch: tf.Tensor) -> np.ndarray:
    """Reduce images, uint8 [b, size, size, 3], to uint8 [b, SIDE * SIDE * 3] by area averaging."""
    small = tf.image.resize(tf.cast(batch, tf.float32), [SIDE, SIDE], method="area")
    rows: np.ndarray = tf.cast(small + 0.5, tf.uint8).numpy()
    return rows.reshape(len(rows), -1)
