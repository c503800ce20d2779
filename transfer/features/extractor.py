"""The part in front of what is trained: computed once for each image and stored.

For a pretrained backbone it is the frozen prefix; for a network trained from scratch it is decoding alone, and what is
stored are pixels.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from transfer.data.decoding import DECODER_VERSION
from transfer.data.pipeline import ImageSpec
from transfer.features.store import FeatureSet
from transfer.models.pretrained import FeatureSpec, FrozenPass, Pretrained

PIXELS = "pixels"
"""Name of the output that is the decoded image itself."""


class FeatureExtractor(Protocol):
    """Images -> one or several outputs, each a vector an image."""

    @property
    def feature_set(self) -> FeatureSet:
        """The part of the store where its outputs lie."""
        ...

    @property
    def outputs(self) -> list[str]:
        """Names of its outputs."""
        ...

    def width(self, output: str) -> int:
        """Number of values of one image."""
        ...

    def dtype(self, output: str) -> np.dtype:
        """How they are stored."""
        ...

    def __call__(self, batch: tf.Tensor) -> list[np.ndarray]:
        """Compute uint8 [b, size, size, 3] -> [b, width] for each output."""
        ...


class PixelExtractor:
    """Decoding alone: one output, `pixels`, uint8."""

    def __init__(self, image_spec: ImageSpec) -> None:
        self.image_spec = image_spec
        self.feature_set = FeatureSet(PIXELS, "", image_spec.size, image_spec.data.resize, decoder_tag(), "uint8")
        self.outputs = [PIXELS]

    def width(self, output: str) -> int:
        return self.image_spec.size**2 * 3

    def dtype(self, output: str) -> np.dtype:
        return np.dtype(np.uint8)

    def __call__(self, batch: tf.Tensor) -> list[np.ndarray]:
        return [_flat(batch)]


class BackboneExtractor:
    """A frozen, truncated backbone: one output for each spec, and with `pixels` the decoded images as well."""

    def __init__(
        self, pretrained: Pretrained, image_spec: ImageSpec, specs: Sequence[FeatureSpec], batch_size: int, pixels: bool = False
    ) -> None:
        self._pretrained, self._image_spec, self._batch_size = pretrained, image_spec, batch_size
        self._specs = {spec.name: spec for spec in specs}
        self._frozen = FrozenPass(pretrained, specs, batch_size)
        self._pixels = [PIXELS] if pixels else []
        self.outputs = [*self._specs, *self._pixels]
        self.feature_set = FeatureSet(
            pretrained.backbone.name,
            pretrained.weights_digest,
            pretrained.size,
            image_spec.data.resize,
            decoder_tag(),
            pretrained.precision,
        )

    def joined(self, other: "BackboneExtractor") -> "BackboneExtractor":
        """Return a front of the same feature set with the outputs of both: one pass computes them all."""
        specs = list((self._specs | other._specs).values())
        return BackboneExtractor(self._pretrained, self._image_spec, specs, self._batch_size, bool(self._pixels or other._pixels))

    def width(self, output: str) -> int:
        return self._pretrained.size**2 * 3 if output == PIXELS else self._pretrained.width(self._specs[output])

    def dtype(self, output: str) -> np.dtype:
        return np.dtype(np.uint8) if output == PIXELS else self._pretrained.dtype(self._specs[output])

    def __call__(self, batch: tf.Tensor) -> list[np.ndarray]:
        return [*self._frozen(batch), *(_flat(batch) for _ in self._pixels)]


def _flat(batch: tf.Tensor) -> np.ndarray:
    rows: np.ndarray = batch.numpy()
    return rows.reshape(len(rows), -1)


def decoder_tag() -> str:
    """Name what decodes: this package's decoder and the TensorFlow whose libraries it calls."""
    return f"{DECODER_VERSION}/tensorflow-{'.'.join(tf.__version__.split('.')[:2])}"
