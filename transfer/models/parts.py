"""A finished classifier taken apart where its maps end: images -> maps -> vector -> logits.

The heat map needs the maps that the head pools and what follows them, and the distance to the training images needs features: of
several layers, or the vector. Works on any classifier of this package, also on one read from its file: backbones cut anywhere, in
one place or in several, fine-tuned or not, with any pooling, and networks trained from scratch.
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

VECTOR = "vector"
"""Stands for the vector among the layers that an embedding is made of."""

_Function = Callable[[tf.Tensor], tf.Tensor]
Maps = tuple[tf.Tensor, ...]


@dataclass(frozen=True)
class Parts:
    """The parts, which share their weights with the classifier.

    Attributes:
        maps: RGB in 0..255, float32 [n, size, size, 3] -> maps [n, h, w, c]: those that the head pools, from the shallowest to the
            deepest, then those of the layers that the embedding is made of; for a network without maps, the standardised pixels.
        vector: maps -> input of the dense layers, [n, d].
        logits: vector -> [n, classes].
        pooled: how many of the maps the head pools.
        shape: h, w, c of the deepest of these.
        layers: what the embedding is made of: names of layers, and `VECTOR`; empty: the vector alone.
    """

    maps: Callable[[tf.Tensor], Maps]
    vector: Callable[[Maps], tf.Tensor]
    logits: _Function
    pooled: int
    shape: tuple[int, int, int]
    layers: tuple[str, ...]

    def embedding(self, maps: Maps, vector: tf.Tensor) -> tf.Tensor:
        """Return float32 [n, d'] of length 1, which is compared with the training images."""
        if not self.layers:
            return embedding(vector, self.shape)
        tapped = iter(maps[self.pooled :])
        blocks: list[tf.Tensor] = []
        for name in self.layers:
            blocks += [embedding(vector, self.shape)] if name == VECTOR else both_pooled(next(tapped))
        return joined_blocks(blocks)


def both_pooled(maps: tf.Tensor) -> list[tf.Tensor]:
    """Return the mean and the maximum over space of maps [n, h, w, c], each float32 [n, c]."""
    values = tf.cast(maps, tf.float32)
    return [tf.reduce_mean(values, [1, 2]), tf.reduce_max(values, [1, 2])]


def joined_blocks(blocks: Sequence[tf.Tensor]) -> tf.Tensor:
    """Join features of several layers, each float32 [n, d_i], into embeddings of length 1, [n, sum of d_i].

    Each block has the same weight, whatever its width and its scale. They are not standardised: what is constant in the training
    images, and differs in others, would be lost in the noise of what varies.
    """
    return _unit(tf.concat([_unit(block) for block in blocks], -1))


def embedding(vector: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Return the vector at length 1; where it is longer than 4,096, its maps (h, w, c) averaged over squares of places."""
    values = tf.cast(vector, tf.float32)
    side = _side(vector.shape[-1], shape)
    if side > 1:
        maps = tf.reshape(values, [-1, *shape])
        values = tf.nn.avg_pool2d(maps, side, side, "SAME")
        values = tf.reshape(values, [-1, values.shape[1] * values.shape[2] * values.shape[3]])
    return _unit(values)


def _unit(values: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(values, axis=-1, epsilon=1e-12)


def _side(width: int, shape: Sequence[int]) -> int:
    """Return the side of the squares over which maps are averaged; 1 leaves them as they are."""
    height, across, channels = shape
    if width <= _WIDEST or width != height * across * channels:
        return 1
    fitting = (side for side in range(2, max(height, across)) if ceil(height / side) * ceil(across / side) * channels <= _WIDEST)
    return next(fitting, max(height, across))


def take_apart(classifier: keras.Model, layers: Sequence[str] = ()) -> Parts:
    """Take a classifier apart; see `Parts`.

    Args:
        classifier: RGB in 0..255, float32 [n, size, size, 3] -> probabilities [n, classes]: a functional model that ends in a
            softmax, or already in logits, possibly with functional models inside.
        layers: what its embedding is made of; see `Parts.layers`.
    """
    graph = Graph(classifier)
    vector, last = _vector(graph, classifier.name), graph.steps[graph.output]
    pooled = _maps_below(graph, vector)
    places = [*pooled, *(graph.named(name) for name in layers if name != VECTOR)]
    logits = last.inputs[0] if last.kind == "Softmax" else graph.output
    height, width, channels = graph.steps[pooled[-1]].output_shape

    def maps(images: tf.Tensor) -> Maps:
        computed = graph.compute({graph.input: images}, places)
        return tuple(computed[place] for place in places)

    def pool(maps: Maps) -> tf.Tensor:
        return graph.compute(dict(zip(pooled, maps, strict=False)), [vector])[vector]

    return Parts(maps, pool, graph.between(vector, logits), len(pooled), (height, width, channels), tuple(layers))


def vector_of(model: keras.Model) -> _Function:
    """Return the part of a trained model up to the vector: the identity if its input is one already."""
    if len(model.input.shape) == 2:
        return lambda rows: rows
    graph = Graph(model)
    return graph.between(graph.input, _vector(graph, model.name))


def _vector(graph: Graph, name: str) -> int:
    """Return the position of the step that ends in a vector of everything below it: pooling, flattening, or joining pooled maps."""
    for position in graph.main_line():
        step = graph.steps[position]
        if step.inputs and len(step.output_shape) == 1:
            return position
    raise TransferError(f"A classifier turns maps into a vector somewhere. Received {name!r}, which does not. This is a defect.")


def _maps_below(graph: Graph, vector: int) -> list[int]:
    """Return the positions of the maps that become the vector, in the order of computing."""
    found, open_ends = set[int](), {vector}
    while open_ends:
        sources = {source for position in open_ends for source in graph.steps[position].inputs}
        open_ends = {source for source in sources if len(graph.steps[source].output_shape) == 1}
        found |= sources - open_ends
    return sorted(found)
