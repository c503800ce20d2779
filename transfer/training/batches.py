"""Rows and labels -> shuffled training batches, identical in every run with the same seed."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from transfer.config import AugmentConfig
from transfer.data.augment import augment, view_seeds
from transfer.features.arrays import StoredRows
from transfer.models.own import views as own_views
from transfer.system import resources

_FEW, _SMALL = 8, 2**26  # batches, bytes


@dataclass(frozen=True)
class Live:
    """Augmented views computed on the fly from rows that are images: a new view of each image in every epoch.

    Attributes:
        digests: digest of the image in each row.
        augmentation: limits of the views.
        seed: determines each view, together with the digest and the epoch.
        layers: JSON of Keras's layers that make the views instead; empty: `augment` does.
    """

    digests: Sequence[str]
    augmentation: AugmentConfig
    seed: int
    layers: str = ""

    def change(self) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """Return the function (image, seeds) -> view; not to be called in a graph, where layers could not be made."""
        return own_views.view(self.layers) if self.layers else lambda image, seeds: augment(image, seeds, self.augmentation)

    def seeds(self, epoch: int) -> np.ndarray:
        """Return the seeds of each row's view in an epoch (from 0), int64 [n, 2]."""
        return view_seeds(self.digests, epoch + 1, self.seed)


@dataclass(frozen=True)
class Batches:
    """Batches of (rows, one-hot labels, weights).

    The order of an epoch depends only on the seed and the epoch number, never on global state.

    Attributes:
        rows: features [n, width], or pixels.
        labels: class number of each row, int [n].
        classes: number of classes.
        batch_size: rows per batch; the last batch of an epoch may be smaller.
        shape: shape of one row as input of the network.
        weights: weight of each row, float32 [n].
        shuffle_seed: seed of the order of each epoch; none: always the order given.
        live: augmented views that replace the rows, which must be images; none: the rows themselves.
        dtype: input dtype of the network.
        turns: number of equal blocks of rows, one for each view of the images, that take turns: an epoch has one view of each
            image, and another one than the epoch before; 1: every row in every epoch.
    """

    rows: StoredRows
    labels: np.ndarray
    classes: int
    batch_size: int
    shape: tuple[int, ...]
    weights: np.ndarray
    shuffle_seed: int | None = None
    live: Live | None = None
    dtype: str = "float32"
    turns: int = 1

    @property
    def count(self) -> int:
        """The number of rows in an epoch."""
        return len(self.labels) // self.turns

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-self.count // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Return the row numbers of an epoch (from 0), in order."""
        if self.shuffle_seed is None:
            return np.arange(self.count)
        order = np.random.default_rng([self.shuffle_seed, epoch]).permutation(self.count)
        if self.turns == 1:
            return order
        # Images begin with different views, so that all epochs are alike.
        first = np.random.default_rng([self.shuffle_seed]).integers(0, self.turns, self.count)
        return order + self.count * ((first[order] + epoch) % self.turns)

    def dataset(self, epochs: int | None = 1, first: int = 0) -> tf.data.Dataset:
        """Return the batches of `epochs` consecutive epochs, beginning with epoch `first`; none: without end.

        Rows that fit into memory are held by TensorFlow; others are read from the store for each batch.
        """
        labels, weights = tf.constant(self.labels), tf.constant(self.weights)
        rows_of, change = self._rows(), self.live.change() if self.live else None

        @tf.autograph.experimental.do_not_convert
        def batch(numbers: tf.Tensor, seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            rows = tf.ensure_shape(tf.reshape(rows_of(numbers), [-1, *self.shape]), [None, *self.shape])
            if change:
                rows = _views(rows, seeds, change)
            return tf.cast(rows, self.dtype), tf.one_hot(tf.gather(labels, numbers), self.classes), tf.gather(weights, numbers)

        if self._ready:
            made = self._made_once(batch).repeat(epochs)
        else:
            mapped = self._slices(epochs, first).map(batch, num_parallel_calls=resources.cores() if self.live else 1, deterministic=True)
            known = tf.data.INFINITE_CARDINALITY if epochs is None else epochs * len(self)
            made = mapped.apply(tf.data.experimental.assert_cardinality(known)).prefetch(2)
        options = tf.data.Options()
        options.autotune.enabled = False  # all parallelism is set explicitly
        options.experimental_optimization.apply_default_optimizations = False
        return made.with_options(options)

    @property
    def _ready(self) -> bool:
        """Whether the batches are the same in every epoch, and few and small enough to be made once.

        Validation starts a new iterator in every epoch; for small data, starting it takes longer than the rest of validation.
        """
        bytes_held = len(self.labels) * math.prod(self.shape) * 4
        return self.shuffle_seed is None and not self.live and self.rows.fits and len(self) <= _FEW and bytes_held <= _SMALL

    def _made_once(self, batch: Callable[[tf.Tensor, tf.Tensor], Any]) -> tf.data.Dataset:
        order, without = self.order(0), np.empty((len(self.labels), 0), np.int64)
        starts = range(0, len(self.labels), self.batch_size)
        parts = [slice(start, start + self.batch_size) for start in starts]
        single = [tf.data.Dataset.from_tensors(batch(tf.constant(order[part]), tf.constant(without[part]))) for part in parts]
        return functools.reduce(lambda one, other: one.concatenate(other), single)

    def _slices(self, epochs: int | None, first: int) -> tf.data.Dataset:
        """Return for each batch its row numbers, int64 [b], and the seeds of their live views, int64 [b, 2 or 0]."""
        count = self.count

        def epochs_from() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for epoch in itertools.count(first) if epochs is None else range(first, first + epochs):
                order = self.order(epoch)
                yield order, self.live.seeds(epoch)[order] if self.live else np.empty((len(order), 0), np.int64)

        signature = (tf.TensorSpec([count], tf.int64), tf.TensorSpec([count, 2 if self.live else 0], tf.int64))
        numbers = tf.data.Dataset.from_generator(epochs_from, output_signature=signature)
        return numbers.flat_map(lambda *epoch: tf.data.Dataset.from_tensor_slices(epoch).batch(self.batch_size))

    def _rows(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return a function: row numbers int64 [b] -> rows [b, width] in the dtype of the records."""
        kind = tf.as_dtype(self.rows.dtype)
        if self.rows.fits:
            held = tf.constant(self.rows.everything_stored())
            return lambda numbers: tf.gather(held, numbers)
        return lambda numbers: tf.numpy_function(self.rows.take_stored, [numbers], kind)


def _views(images: tf.Tensor, seeds: tf.Tensor, change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Return one view of each image, uint8 [b, size, size, 3]."""
    return tf.map_fn(
        lambda one: change(tf.ensure_shape(one[0], images.shape[1:]), one[1]),
        (images, seeds),
        fn_output_signature=tf.TensorSpec(images.shape[1:], tf.uint8),
    )


def class_weights(labels: np.ndarray, classes: int, rule: str) -> np.ndarray:
    """Return the weight of each row: 1 with `none`; `balanced` gives every class equal weight, with a mean of 1."""
    if rule == "none":
        return np.ones(len(labels), np.float32)
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (np.count_nonzero(counts) * counts[labels])).astype(np.float32)
