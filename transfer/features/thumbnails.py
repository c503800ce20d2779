"""Thumbnails: small copies of the images, which show what features do not: colour, borders, blank images.

They are computed from the same decoded batch as the features, so the data checks need no second decoding.
"""

from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class WithThumbnails:
    """Computes what `compute` does, if anything, and the thumbnails of the same images."""

    compute: Callable[[tf.Tensor], list[np.ndarray]] | None = None

    def __call__(self, batch: tf.Tensor) -> list[np.ndarray]:
        return [*(self.compute(batch) if self.compute else []), thumbnail(batch)]
