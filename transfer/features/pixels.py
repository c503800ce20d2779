"""Pixels as features: what a network that is trained from scratch learns from."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from transfer.data.pipeline import ImageSpec
from transfer.features.store import FeatureSet
from transfer.models.pretrained import TENSORFLOW

PIXELS = "pixels"
"""Name of the output that holds the decoded image."""


@dataclass(frozen=True)
class PixelExtractor:
    """Decoding only: one output, `pixels`, uint8."""

    image_spec: ImageSpec
    precision: str = "float32"
    engine: str = TENSORFLOW

    @property
    def feature_set(self) -> FeatureSet:
        """The feature set for pixels of this size and resize mode."""
        return FeatureSet(PIXELS, "", self.image_spec.size, self.image_spec.data.resize, self.image_spec.decoder, "uint8")

    @property
    def outputs(self) -> list[str]:
        """The one output."""
        return [PIXELS]

    def width(self, output: str) -> int:
        """Number of values per image."""
        return self.image_spec.size**2 * 3

    def dtype(self, output: str) -> np.dtype:
        """8-bit pixels."""
        return np.dtype(np.uint8)

    def for_training(self) -> "PixelExtractor":
        """All of it."""
        return self

    def __call__(self, batch: tf.Tensor) -> list[np.ndarray]:
        """Flatten the pixels."""
        return [flat(batch)]


def flat(batch: tf.Tensor) -> np.ndarray:
    """Return decoded images as rows, uint8 [b, size * size * 3]."""
    rows: np.ndarray = batch.numpy()
    return rows.reshape(len(rows), -1)
