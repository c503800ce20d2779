"""The prefix compiled for one purpose: images in, features at one or several cut points out, at inference speed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from transfer.models import backbones, heads, weights
from transfer.models.registry import Backbone
from transfer.system import resources
from transfer.system.progress import Progress


@dataclass(frozen=True)
class FeatureSpec:
    """One output of the frozen pass: the features at a cut point, pooled, or whole for a head (`flatten`) or for a suffix (`map`)."""

    cut: str
    pooling: str

    @property
    def name(self) -> str:
        """How the store calls it."""
        return f"{self.cut}:{self.pooling}"


@dataclass(frozen=True)
class Pretrained:
    """A backbone with its weights, at a size and a precision; with `xla`, its frozen pass is compiled by XLA."""

    backbone: Backbone
    model: keras.Model
    weights: str
    weights_digest: str
    size: int
    precision: str
    xla: bool = False

    @classmethod
    def load(cls, backbone: Backbone, weights_from: str, size: int, precision: str, seed: int, progress: Progress) -> "Pretrained":
        """Build the backbone and give it its weights; see `weights.load` for the errors."""
        model = backbones.build(backbone, size, precision)
        weights_digest = weights.load(model, backbone, weights_from, seed, progress)
        return cls(backbone, model, weights_from, weights_digest, size, precision)

    def with_xla(self) -> "Pretrained":
        """Return the same, compiled by XLA."""
        return replace(self, xla=True)

    def width(self, spec: FeatureSpec) -> int:
        """Return the number of values of one image's features at a spec."""
        height, width, channels = self.shape(spec.cut)
        return channels * (height * width if spec.pooling in ("flatten", "map") else 1)

    def shape(self, place: str) -> tuple[int, int, int]:
        """Return height, width and channels of one image's feature map at a place."""
        _, height, width, channels = backbones.tensor_at(self.model, self.backbone.place(place)).shape
        return height, width, channels

    def dtype(self, spec: FeatureSpec) -> np.dtype:
        """Return how a spec's features are stored: pooled ones in float32, whole maps in the 16 bits they were computed in.

        Maps computed in float32 stay in float32 for a head: 16 bits would lose what the export computes. For a suffix, which
        is trained on them, they become float16: half the space, and 11 bits are more than its own noise needs.
        """
        if spec.pooling == "map" and self.precision == "float32":
            return np.dtype(np.float16)
        if spec.pooling not in ("flatten", "map") or self.precision == "float32":
            return np.dtype(np.float32)
        return np.dtype(tf.as_dtype(self.precision).as_numpy_dtype)


class FrozenPass:
    """Batches of one shape through the prefix: uint8 [batch, size, size, 3] -> features at each spec.

    In 16 bits, the weights of a network with batch normalisation become constants of the graph, so that TensorFlow folds
    the normalisation into the convolutions: twice as fast for InceptionV3 in bfloat16. It gains nothing in float32 or for
    VGG, and costs memory, so elsewhere the weights stay variables.
    """

    def __init__(self, pretrained: Pretrained, specs: Sequence[FeatureSpec], batch_size: int) -> None:
        self.pretrained = pretrained
        self.specs = list(specs)
        self.batch_size = batch_size

    @cached_property
    def _function(self) -> tf.types.experimental.ConcreteFunction:
        pretrained = self.pretrained
        images = keras.Input(pretrained.model.input_shape[1:], dtype="float32")
        tensors = [backbones.tensor_at(pretrained.model, pretrained.backbone.place(spec.cut)) for spec in self.specs]
        maps = keras.Model(pretrained.model.input, tensors)(backbones.preprocess(images, pretrained.backbone), training=False)
        model = keras.Model(images, maps)

        def run(batch: tf.Tensor) -> list[tf.Tensor]:
            computed = model(tf.cast(batch, tf.float32), training=False)
            features = computed if isinstance(computed, list) else [computed]
            return [_vector(one, spec.pooling, pretrained.dtype(spec)) for spec, one in zip(self.specs, features, strict=True)]

        signature = tf.TensorSpec([self.batch_size, pretrained.size, pretrained.size, 3], tf.uint8)
        concrete = tf.function(run, autograph=False, jit_compile=pretrained.xla).get_concrete_function(signature)
        if pretrained.xla or pretrained.precision == "float32" or not _normalises(pretrained.model):
            return concrete
        folded = convert_variables_to_constants_v2(concrete)
        resources.give_back()
        return folded

    def __call__(self, batch: np.ndarray | tf.Tensor) -> list[np.ndarray]:
        """Compute a batch; one with fewer images than the batch size is padded, and the padding's features cut off.

        Args:
            batch: uint8 [b, size, size, 3], b at most the batch size.

        Returns:
            For each spec, [b, width] in the spec's dtype.
        """
        count = int(batch.shape[0])
        padded = tf.pad(batch, [[0, self.batch_size - count], [0, 0], [0, 0], [0, 0]])
        outputs = self._function(padded)
        arrays = [output.numpy()[:count] for output in outputs]
        return [array.astype(self.pretrained.dtype(spec), copy=False) for spec, array in zip(self.specs, arrays, strict=True)]


def _normalises(model: keras.Model) -> bool:
    return any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)


def _vector(features: tf.Tensor, pooling: str, stored: np.dtype) -> tf.Tensor:
    if pooling == "map":  # float16 ends at 65,504: what lies beyond stays there instead of becoming infinite
        return tf.saturate_cast(tf.reshape(features, [features.shape[0], -1]), stored)
    if pooling == "flatten":  # stays in the precision it was computed in
        return tf.reshape(features, [features.shape[0], -1])
    return heads.pool(features, pooling)
