"""A finished classifier taken apart where its maps end: images -> maps -> vector -> logits.

The heat map needs the last maps and what follows them, and the distance to the training images needs the vector. Works on
any classifier of this package, also on one read back from its file: backbones cut anywhere, fine-tuned or not, with any
pooling, and networks from scratch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import ceil

import keras
import tensorflow as tf

from transfer.errors import TransferError

_WIDEST = 4096
"""Values of an embedding, at most: flattened maps are averaged over neighbouring places until they fit."""

_Step = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Parts:
    """The three parts, which share their weights with the classifier.

    Attributes:
        maps: RGB in 0..255, float32 [n, size, size, 3] -> the last maps [n, h, w, c]; the pixels themselves, standardised, where a
            network has no maps.
        vector: maps -> what enters the dense layers, [n, d].
        logits: vector -> [n, classes].
        shape: h, w, c.
    """

    maps: _Step
    vector: _Step
    logits: _Step
    shape: tuple[int, int, int]

    def embedding(self, vector: tf.Tensor) -> tf.Tensor:
        """Return float32 [n, d'], of length 1: what is compared with the training images.

        It is the vector itself, or, where that is longer than 4,096, its maps averaged over squares of places.
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
    """Return the side of the squares over which maps are averaged; 1: not at all."""
    if width <= _WIDEST:
        return 1
    height, across, channels = shape
    fitting = (side for side in range(2, max(height, across)) if ceil(height / side) * ceil(across / side) * channels <= _WIDEST)
    return next(fitting, max(height, across))


def take_apart(classifier: keras.Model) -> Parts:
    """Take a classifier apart; see `Parts`.

    Args:
        classifier: RGB in 0..255, float32 [n, size, size, 3] -> probabilities [n, classes]: a functional model that ends in a
            softmax, or already in logits, with other functional models inside.
    """
    steps, transition = _around(classifier)
    shape = tuple(transition.input_tensors[0].shape[1:])
    before, vector, after = steps
    return Parts(_chain(before), vector, _chain(after), shape)


def vector_of(model: keras.Model) -> _Step:
    """Return the part of a trained model up to the vector: the identity where its input is one already."""
    if len(model.input.shape) == 2:
        return lambda rows: rows
    (before, vector, _), _ = _around(model)
    return _chain([*before, vector])


def _around(model: keras.Model) -> tuple[tuple[list[_Step], _Step, list[_Step]], "keras.Node"]:
    """Return what comes before, at and after the place where maps become a vector, and the node there."""
    node = next((node for node in _nodes(model) if len(node.input_tensors[0].shape) == 4 and len(node.outputs[0].shape) == 2), None)
    if node is None:
        raise TransferError(f"A classifier turns maps into a vector somewhere. Received {model.name!r}, which does not. This is a defect.")
    start, end = node.input_tensors[0], node.outputs[0]
    before = [_between(model.input, start)]
    after = [_between(end, _without_softmax(model))]
    if isinstance(node.operation, keras.Model):
        (inner_before, vector, inner_after), node = _around(node.operation)
        return ([*before, *inner_before], vector, [*inner_after, *after]), node
    return (before, node.operation, after), node


def _nodes(model: keras.Model) -> list["keras.Node"]:
    """Return the nodes of a functional model, in the order of computing, its inputs left out."""
    by_depth = model._nodes_by_depth
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    return [node for node in nodes if not node.is_input]


def _without_softmax(model: keras.Model) -> keras.KerasTensor:
    history = model.output._keras_history
    is_softmax = isinstance(history.operation, keras.layers.Softmax)
    return history.operation._inbound_nodes[history.node_index].input_tensors[0] if is_softmax else model.output


def _between(start: keras.KerasTensor, end: keras.KerasTensor) -> _Step:
    if start is end:
        return lambda values: values
    model = keras.Model(start, end)
    return lambda values: model(values, training=False)


def _chain(steps: Sequence[_Step]) -> _Step:
    return lambda values: reduce(lambda value, step: step(value), steps, values)
