"""Rows and labels -> shuffled training batches, the same in every run with the same seed."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from transfer.features.arrays import StoredRows


@dataclass(frozen=True)
class Batches:
    """Batches of (rows, one-hot labels, weights).

    The order of an epoch is a function of seed and epoch number alone, never of a global state.

    Attributes:
        rows: features [n, width], or pixels.
        labels: class number of each row, int [n].
        classes: number of classes.
        batch_size: rows in a batch; the last one of an epoch may have fewer.
        shape: shape of one row as the network takes it.
        weights: weight of each row, float32 [n].
        shuffle_seed: none: always in the order given.
    """

    rows: StoredRows
    labels: np.ndarray
    classes: int
    batch_size: int
    shape: tuple[int, ...]
    weights: np.ndarray
    shuffle_seed: int | None = None

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self.labels) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Return the numbers of all rows in the order of an epoch (from 0)."""
        if self.shuffle_seed is None:
            return np.arange(len(self.labels))
        return np.random.default_rng([self.shuffle_seed, epoch]).permutation(len(self.labels))

    def dataset(self, epochs: int | None = 1, first: int = 0) -> tf.data.Dataset:
        """Return the batches of so many epochs from `first` on, one after the other; of endlessly many with none.

        Rows that fit into memory never leave TensorFlow; others are read from the store for each batch.
        """

        def orders() -> Iterator[np.ndarray]:
            for epoch in itertools.count(first) if epochs is None else range(first, first + epochs):
                yield self.order(epoch)

        labels, weights = tf.constant(self.labels), tf.constant(self.weights)
        held = tf.constant(self.rows.everything()) if self.rows.fits else None

        @tf.autograph.experimental.do_not_convert
        def batch(numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            if held is None:
                rows = tf.numpy_function(lambda chosen: self.rows.take(chosen).astype(np.float32), [numbers], tf.float32)
            else:
                rows = tf.cast(tf.gather(held, numbers), tf.float32)
            rows = tf.ensure_shape(tf.reshape(rows, [-1, *self.shape]), [None, *self.shape])
            return rows, tf.one_hot(tf.gather(labels, numbers), self.classes), tf.gather(weights, numbers)

        epoch = tf.TensorSpec([len(self.labels)], tf.int64)
        numbers = tf.data.Dataset.from_generator(orders, output_signature=epoch)
        slices = numbers.flat_map(lambda order: tf.data.Dataset.from_tensor_slices(order).batch(self.batch_size))
        known = tf.data.INFINITE_CARDINALITY if epochs is None else epochs * len(self)
        return slices.map(batch).apply(tf.data.experimental.assert_cardinality(known)).prefetch(2)


def class_weights(labels: np.ndarray, classes: int, rule: str) -> np.ndarray:
    """Return the weight of each row: 1 with `none`; with `balanced`, such that each class weighs the same and the mean is 1."""
    if rule == "none":
        return np.ones(len(labels), np.float32)
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (np.count_nonzero(counts) * counts[labels])).astype(np.float32)
