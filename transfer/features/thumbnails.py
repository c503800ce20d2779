"""Thumbnails: each image reduced to a few pixels, which show what features do not: colour, borders, blankness.

They are made beside the features from the same decoded batch, so that looking at the data costs no second decoding.
"""

import numpy as np
import tensorflow as tf

SIDE = 32
"""Side of a thumbnail in pixels."""

THUMBNAIL = f"thumbnail:{SIDE}"
"""Name of the output in the store."""


def thumbnail(batch: tf.Tensor) -> np.ndarray:
    """Reduce images, uint8 [b, size, size, 3], to uint8 [b, SIDE * SIDE * 3]: means of areas."""
    small = tf.image.resize(tf.cast(batch, tf.float32), [SIDE, SIDE], method="area")
    rows: np.ndarray = tf.cast(small + 0.5, tf.uint8).numpy()
    return rows.reshape(len(rows), -1)
