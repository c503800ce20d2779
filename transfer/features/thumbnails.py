"""A thumbnail: each image, decoded and reduced to a few pixels. It shows what a feature does not: colour, border, blankness.

Made beside the features from the same decoded batch, so that looking at the data costs no second decoding.
"""

import numpy as np
import tensorflow as tf

from transfer.features.extractor import FeatureExtractor

SIDE = 32
"""Pixels of a thumbnail's side."""

THUMBNAIL = f"thumbnail:{SIDE}"
"""Name of the output in the store."""


class WithThumbnail:
    """A extractor part with one output more."""

    def __init__(self, extractor: FeatureExtractor) -> None:
        self._extractor = extractor
        self.feature_set = extractor.feature_set
        self.outputs = [*extractor.outputs, THUMBNAIL]

    def width(self, output: str) -> int:
        return SIDE**2 * 3 if output == THUMBNAIL else self._extractor.width(output)

    def dtype(self, output: str) -> np.dtype:
        return np.dtype(np.uint8) if output == THUMBNAIL else self._extractor.dtype(output)

    def __call__(self, batch: tf.Tensor) -> list[np.ndarray]:
        return [*self._extractor(batch), thumbnail(batch)]


def thumbnail(batch: tf.Tensor) -> np.ndarray:
    """Reduce images, uint8 [b, size, size, 3], to uint8 [b, SIDE * SIDE * 3]: means of areas."""
    small = tf.image.resize(tf.cast(batch, tf.float32), [SIDE, SIDE], method="area")
    rows: np.ndarray = tf.cast(small + 0.5, tf.uint8).numpy()
    return rows.reshape(len(rows), -1)
