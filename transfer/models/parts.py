"""A finished classifier taken apart where its maps end: images -> maps -> vector -> logits.

The heat map needs the last maps and what follows them, and the distance to the training images needs the vector. Works on
any classifier of this package, also on one read from its file: backbones cut anywhere, fine-tuned or not, with any pooling,
and networks trained from scratch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import keras
import tensorflow as tf

from transfer.errors import TransferError
from transfer.models.graph import Graph

_WIDEST = 4096
"""Maximum length of an embedding: longer flattened maps are averaged over neighbouring places until they fit."""

_Function = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Parts:
    """The three parts, which share their weights with the classifier.

    Attributes:
        maps: RGB in 0..255, float32 [n, size, size, 3] -> the last maps [n, h, w, c]; for a network without maps, the
            standardised pixels.
        vector: maps -> input of the dense layers, [n, d].
        logits: vector -> [n, classes].
        shape: h, w, c.
    """

    maps: _Function
    vector: _Function
    logits: _Function
    shape: tuple[int, int, int]

    def embedding(self, vector: tf.Tensor) -> tf.Tensor:
        """Return float32 [n, d'] of length 1, which is compared with the training images.

        It is the vector itself or, where that is longer than 4,096, its maps averaged over squares of places.
        """
        return embedding(vector, self.shape)


def embedding(vector: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Do as `Parts.embedding`, for maps of a given shape (h, w, c)."""
    values = tf.cast(vector, tf.float32)
    side = _side(vector.shape[-1], shape)
    if side > 1:
        maps = tf.reshape(values, [-1, *shape])
        values = tf.nn.avg_pool2d(maps, side, side, "SAME")
        values = tf.reshape(values, [-1, values.shape[1] * values.shape[2] * values.shape[3]])
    return tf.math.l2_normalize(values, axis=-1, epsilon=1e-12)


def _side(width: int, shape: Sequence[int]) -> int:
    """Return the side of the squares over which maps are averaged; 1 leaves them as they are."""
    if width <= _WIDEST:
        return 1
    height, across, channels = shape
    fitting = (side for side in range(2, max(height, across)) if ceil(height / side) * ceil(across / side) * channels <= _WIDEST)
    return next(fitting, max(height, across))


def take_apart(classifier: keras.Model) -> Parts:
    """Take a classifier apart; see `Parts`.

    Args:
        classifier: RGB in 0..255, float32 [n, size, size, 3] -> probabilities [n, classes]: a functional model that ends in a
            softmax, or already in logits, possibly with functional models inside.
    """
    graph = Graph(classifier)
    pooling = _pooling(graph, classifier.name)
    step, last = graph.steps[pooling], graph.steps[graph.output]
    (maps,), logits = step.inputs, last.inputs[0] if last.kind == "Softmax" else graph.output
    height, width, channels = step.input_shapes[0]
    parts = graph.between(graph.input, maps), graph.between(maps, pooling), graph.between(pooling, logits)
    return Parts(*parts, (height, width, channels))


def vector_of(model: keras.Model) -> _Function:
    """Return the part of a trained model up to the vector: the identity if its input is one already."""
    if len(model.input.shape) == 2:
        return lambda rows: rows
    graph = Graph(model)
    return graph.between(graph.input, _pooling(graph, model.name))


def _pooling(graph: Graph, name: str) -> int:
    """Return the position of the step that turns maps into a vector: pooling or flattening, of everything below it."""
    for position in graph.main_line():
        step = graph.steps[position]
        if step.inputs and len(step.input_shapes[0]) == 3 and len(step.output_shape) == 1:
            return position
    raise TransferError(f"A classifier turns maps into a vector somewhere. Received {name!r}, which does not. This is a defect.")
