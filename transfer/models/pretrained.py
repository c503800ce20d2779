"""Pretrained backbones, and what is taken from them: features at one or more cut points."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer.errors import WeightsError
from transfer.models import backbones, heads, openvino_engine, weights
from transfer.models.registry import Backbone
from transfer.system.progress import Progress

TENSORFLOW, OPENVINO = "tensorflow", "openvino"
"""The engines that compute features."""


@dataclass(frozen=True)
class FeatureSpec:
    """One output of a feature extractor: a cut point and its pooling (`avg`, `max`), or the whole map, for a head (`flatten`) or for
    fine-tuning (`map`)."""

    cut: str
    pooling: str

    @property
    def name(self) -> str:
        """Its name in the store."""
        return f"{self.cut}:{self.pooling}"


def head_specs(cuts: Iterable[str], pooling: str) -> tuple[FeatureSpec, ...]:
    """Return what a head gets, in its order: cut by cut, and in each the kinds of pooling (`heads.pool_all`)."""
    return tuple(FeatureSpec(cut, kind) for cut in cuts for kind in heads.poolings(pooling))


@dataclass(frozen=True)
class Pretrained:
    """A backbone with its weights, at an image size and a precision; features are extracted by `engine`, with `xla` compiled by XLA."""

    backbone: Backbone
    model: keras.Model
    weights: str
    weights_digest: str
    size: int
    precision: str
    xla: bool = False
    engine: str = TENSORFLOW

    @classmethod
    def load(cls, backbone: Backbone, weights_from: str, size: int, precision: str, seed: int, progress: Progress) -> "Pretrained":
        """Build the backbone and load its weights; see `weights.load` for the errors."""
        model = backbones.build(backbone, size, precision)
        weights_digest = weights.load(model, backbone, weights_from, seed, progress)
        return cls(backbone, model, weights_from, weights_digest, size, precision)

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process, it is built there anew, with these weights, which are checked."""
        facts = (self.weights, self.weights_digest, self.size, self.precision, self.xla, self.engine)
        return _rebuilt, (self.backbone, self.model.get_weights(), *facts)

    def with_xla(self) -> "Pretrained":
        """Return a copy that is compiled by XLA."""
        return replace(self, xla=True)

    def with_engine(self, engine: str) -> "Pretrained":
        """Return a copy whose features are extracted by `tensorflow` or `openvino`."""
        return replace(self, engine=engine)

    @property
    def engine_tag(self) -> str:
        """What a feature set calls the engine: OpenVINO with year and release, for another may round otherwise."""
        return self.engine if self.engine == TENSORFLOW else f"{self.engine} {openvino_engine.version()}"

    def in_float32(self) -> "Pretrained":
        """Return a copy that computes in float32, with the same weights; itself if it does."""
        if self.precision == "float32":
            return self
        model = backbones.build(self.backbone, self.size, "float32")
        model.set_weights(self.model.get_weights())
        return replace(self, model=model, precision="float32")

    def width(self, spec: FeatureSpec) -> int:
        """Return the number of values per image of a feature spec."""
        height, width, channels = self.shape(spec.cut)
        return channels * (height * width if spec.pooling in ("flatten", "map") else 1)

    def shape(self, place: str) -> tuple[int, int, int]:
        """Return the height, width and channels of the feature map at a place."""
        _, height, width, channels = backbones.tensor_at(self.model, self.backbone.place(place)).shape
        return height, width, channels

    def dtype(self, spec: FeatureSpec) -> np.dtype:
        """Return the dtype in which the features of a spec are stored: float32 if pooled, that of the computation for whole maps.

        Maps computed in float32 stay in float32 for a head: with 16 bits it would differ from the export. For fine-tuning they
        become float16, half the space: the noise of its training is larger than the rounding to 11 bits.
        """
        if spec.pooling == "map" and self.precision == "float32":
            return np.dtype(np.float16)
        if spec.pooling not in ("flatten", "map") or self.precision == "float32":
            return np.dtype(np.float32)
        return np.dtype(tf.as_dtype(self.precision).as_numpy_dtype)

    def not_finite(self, spec: FeatureSpec) -> WeightsError:
        """Return the error for features that are NaN or infinite; the weights themselves are finite (`weights.load`)."""
        if self.precision == "float16":
            advice = "float16 ends at 65,504. Use --set precision=float32"
        else:
            advice = "the weights are too large, or a variance is negative. Use other weights, such as weights=imagenet"
        return WeightsError(
            f"The features of {self.backbone.name} at {spec.cut} are NaN or infinite in {self.precision}: {advice}. "
            f"Received weights={self.weights}."
        )


def _rebuilt(backbone: Backbone, arrays: list[np.ndarray], weights_from: str, expected: str, size: int, *how: Any) -> Pretrained:
    precision, xla, engine = how
    model = backbones.build(backbone, size, precision)
    model.set_weights(arrays)
    if (found := weights.digest(arrays)) != expected:
        raise WeightsError(f"The weights of {backbone.name} were damaged on the way. Expected SHA-256 {expected}. Received {found}.")
    return Pretrained(backbone, model, weights_from, expected, size, precision, xla, engine)
