"""The frozen prefix of a backbone, compiled for inference: images -> features at one or more cut points."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from transfer.models import backbones, heads, openvino_engine
from transfer.models.pretrained import OPENVINO, FeatureSpec, Pretrained
from transfer.system import resources

IN_FLIGHT = 2
"""Pieces of a batch that TensorFlow computes at a time on a processor."""

_PIXELS_OF_PIECE, _LARGEST_PIECE = 4 * 224**2, 64  # of all images of a piece; images
_STREAM_ROWS = 4  # images that a stream of OpenVINO computes at a time


class FrozenPass:
    """The frozen prefix, compiled for batches of one shape: uint8 [batch, size, size, 3] -> features for each spec.

    On a processor, TensorFlow computes a batch in pieces, two at a time, so that what a layer passes on to the next stays in the
    caches: on 2 cores, in images/s for a batch of 16, pieces of 16 one by one and pieces of 4 two by two, 224 px: MobileNetV2 48 and
    78, EfficientNetV2B0 45 and 50, ResNet50V2 12 and 15, VGG16 4 and 4; at 32 px pieces of 64 two by two are fastest.

    In TensorFlow in 16 bit, the weights of a network with batch normalisation become constants of the graph, so that TensorFlow
    folds the normalisation into the convolutions: twice as fast for InceptionV3 in bfloat16. This gains nothing in float32 or for
    VGG, and needs memory, so there the weights stay variables.
    """

    def __init__(self, pretrained: Pretrained, specs: Sequence[FeatureSpec], batch_size: int) -> None:
        self.pretrained = pretrained
        self.specs = list(specs)
        self.batch_size = batch_size

    @cached_property
    def rows(self) -> int:
        """How many images TensorFlow computes at a time: on a GPU the whole batch."""
        if tf.config.list_physical_devices("GPU"):
            return self.batch_size
        fitting = max(_PIXELS_OF_PIECE // self.pretrained.size**2, 2)
        return min(2 ** (fitting.bit_length() - 1), _LARGEST_PIECE, self.batch_size)

    @cached_property
    def _in_flight(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(IN_FLIGHT, "frozen pass")

    def prepare(self) -> None:
        """Compile it, which otherwise the first batch does.

        Raises:
            EngineError: if OpenVINO shall compute, and cannot.
        """
        _ = self._by_openvino if self.pretrained.engine == OPENVINO else self._by_tensorflow

    @cached_property
    def _by_tensorflow(self) -> tf.types.experimental.ConcreteFunction:
        pretrained = self.pretrained
        concrete = self._traced(pretrained, self.rows, [pretrained.dtype(spec) for spec in self.specs])
        if pretrained.xla or pretrained.precision == "float32" or not _normalises(pretrained.model):
            return concrete
        folded = convert_variables_to_constants_v2(concrete)
        resources.give_back()
        return folded

    @cached_property
    def _by_openvino(self) -> openvino_engine.Compiled:
        threads = resources.threads()["intra_op"]
        streams = min(threads, self.batch_size)
        rows = max(min(_STREAM_ROWS, self.batch_size // streams), 1)
        concrete = self._traced(self.pretrained.in_float32(), rows, [np.dtype(np.float32)] * len(self.specs))
        definition, outputs = openvino_engine.with_constants(concrete)
        made = openvino_engine.compiled(definition, outputs, self.pretrained.precision, rows, threads, streams)
        resources.give_back()
        return made

    def _traced(self, pretrained: Pretrained, rows: int, dtypes: Sequence[np.dtype]) -> tf.types.experimental.ConcreteFunction:
        """Return the graph of as many images at a time; whole maps for fine-tuning come out in these types."""
        images = keras.Input(pretrained.model.input_shape[1:], dtype="float32")
        tensors = [backbones.tensor_at(pretrained.model, pretrained.backbone.place(spec.cut)) for spec in self.specs]
        maps = keras.Model(pretrained.model.input, tensors)(backbones.preprocess(images, pretrained.backbone), training=False)
        model = keras.Model(images, maps)

        def run(batch: tf.Tensor) -> list[tf.Tensor]:
            computed = model(tf.cast(batch, tf.float32), training=False)
            features = computed if isinstance(computed, list) else [computed]
            return [_vector(one, spec.pooling, dtype) for spec, one, dtype in zip(self.specs, features, dtypes, strict=True)]

        signature = tf.TensorSpec([rows, pretrained.size, pretrained.size, 3], tf.uint8)
        return tf.function(run, autograph=False, jit_compile=pretrained.xla).get_concrete_function(signature)

    def __call__(self, batch: np.ndarray | tf.Tensor) -> list[np.ndarray]:
        """Compute the features of a batch; the values of an image do not depend on the others.

        Args:
            batch: uint8 [b, size, size, 3], b at most the batch size.

        Returns:
            For each spec, [b, width] in the dtype of the spec.
        """
        if self.pretrained.engine == OPENVINO:
            arrays = self._by_openvino(np.asarray(batch))
        else:
            pieces = [batch[start : start + self.rows] for start in range(0, len(batch), self.rows)]
            found = list(self._in_flight.map(self._piece, pieces)) if len(pieces) > 1 else [self._piece(batch)]
            arrays = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        return [_stored(array, self.pretrained.dtype(spec)) for spec, array in zip(self.specs, arrays, strict=True)]

    def _piece(self, images: np.ndarray | tf.Tensor) -> list[np.ndarray]:
        """Compute one piece. A smaller one is padded, and the features of the padding are removed."""
        count = len(images)
        padded = tf.pad(images, [[0, self.rows - count], [0, 0], [0, 0], [0, 0]])
        return [output.numpy()[:count] for output in self._by_tensorflow(padded)]


def _normalises(model: keras.Model) -> bool:
    return any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)


def _vector(features: tf.Tensor, pooling: str, stored: np.dtype) -> tf.Tensor:
    if pooling == "map":  # float16 ends at 65,504: larger values are clipped instead of becoming infinite
        return tf.saturate_cast(tf.reshape(features, [features.shape[0], -1]), stored)
    if pooling == "flatten":  # stays in the precision it was computed in
        return tf.reshape(features, [features.shape[0], -1])
    return heads.pool(features, pooling)


def _stored(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return features in the dtype in which they are stored; as in `_vector`, they are clipped where float16 ends."""
    if array.dtype != dtype and dtype == np.float16:
        highest = float(np.finfo(np.float16).max)
        array = array.clip(-highest, highest)
    return array.astype(dtype, copy=False)
