"""Data-parallel training: each device has a copy of the network and a part of each batch; the result is that of one device.

Four things in `tf.distribute` and Keras (3.15) are corrected here: they divide the loss by the rows of a device, so rows
count unequally if a batch does not divide evenly; they split a data set into parts that extend across epochs; they clip
gradients, and look for infinite ones, before the gradients of the devices are summed; and they drop the same units on every
device. Only rounding differences remain.
"""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

_APART = 1_000_003  # between the seeds of devices, so that they do not collide with those of neighbouring layers


class Replicated(keras.Model):
    """A copy of a network on each device of a strategy, trained as one.

    Its input is (rows, one-hot labels, weights), one device's part of a batch. A weight of zero marks padding, which does not
    count, though batch normalisation sees it.

    Attributes:
        network: the copy.
    """

    def __init__(self, network: keras.Model, strategy: tf.distribute.Strategy) -> None:
        with strategy.scope():
            super().__init__(name=f"{network.name}_replicated")
            self.network = keras.models.clone_model(network)
            _assign(self.network, network)
        self.replicas = strategy.num_replicas_in_sync
        for layer in _layers(self.network):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
            if isinstance(generator := getattr(layer, "seed_generator", None), keras.random.SeedGenerator):
                _draw_apart(generator)

    def call(self, rows: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Return the logits, float32 [n, classes]."""
        return self.network(rows, training=training)

    def fit(self, x: tf.data.Dataset, validation_data: tf.data.Dataset, **options: Any) -> keras.callbacks.History:
        """Like Keras's `fit`, with data sets of whole batches that are split among the devices; their cardinality must be known."""
        strategy = self.distribute_strategy
        steps = int(validation_data.cardinality())
        judged = divided(validation_data.repeat(), strategy)  # Keras asks for one more batch before it restarts
        return super().fit(divided(x, strategy), validation_data=judged, validation_steps=steps, **options)

    def train_step(self, data: tuple[tf.Tensor, ...]) -> dict[str, Any]:
        """Train on the parts of one batch; see the class."""
        with tf.GradientTape() as tape:
            loss, metrics = self._judged(data, training=True)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_weights)
        summed = _context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        # The optimizer sums over devices again, so they are divided first; `optimizers.build` divides the clipping norm to match.
        self.optimizer.apply_gradients(zip([one / self.replicas for one in summed], self.trainable_weights, strict=True))
        return metrics

    def test_step(self, data: tuple[tf.Tensor, ...]) -> dict[str, Any]:
        """Judge the parts of one batch; see the class."""
        return self._judged(data, training=False)[1]

    def _judged(self, data: tuple[tf.Tensor, ...], training: bool) -> tuple[tf.Tensor, dict[str, Any]]:
        """Return this device's share of the loss, which add up to the loss of the whole batch, and the metrics so far."""
        rows, labels, weights = data
        logits = self(rows, training=training)
        counted = tf.math.count_nonzero(weights, dtype=tf.float32)
        everywhere = _context().all_reduce(tf.distribute.ReduceOp.SUM, counted)
        here = tf.cast(tf.shape(weights)[0], tf.float32)
        # Keras divides by the number of rows here and by the number of devices.
        share = weights * (here * self.replicas / everywhere)
        loss = self.compute_loss(rows, labels, logits, share, training=training)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss * self.replicas, sample_weight=everywhere / self.replicas)
        return loss, self.compute_metrics(rows, labels, logits, weights)

    def copy_to(self, network: keras.Model) -> None:
        """Copy the weights and states to a network."""
        _assign(network, self.network)


def divided(batches: tf.data.Dataset, strategy: tf.distribute.Strategy) -> tf.distribute.DistributedDataset:
    """Split each batch into one part per device, in order.

    Keras needs parts of equal size, so a batch that does not divide evenly is padded with its first rows, with a weight of zero.
    """
    replicas = strategy.num_replicas_in_sync

    def parts(*batch: tf.Tensor) -> tf.data.Dataset:
        count = tf.shape(batch[0])[0]
        size = (count + replicas - 1) // replicas
        numbers = tf.range(size * replicas)
        *others, weights = (tf.gather(values, numbers % count) for values in batch)
        whole = (*others, tf.where(numbers < count, weights, tf.zeros_like(weights)))
        return tf.data.Dataset.from_tensor_slices(tuple(tf.reshape(one, [replicas, size, *one.shape[1:]]) for one in whole))

    # `tf.distribute` would split across the boundaries of batches and epochs, so the split is made here.
    return strategy.distribute_datasets_from_function(lambda _: batches.flat_map(parts))


def _context() -> tf.distribute.ReplicaContext:
    return tf.distribute.get_replica_context()


def _assign(target: keras.Model, source: keras.Model) -> None:
    for variable, other in zip(target.variables, source.variables, strict=True):
        variable.assign(keras.ops.convert_to_numpy(other))


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)


def _draw_apart(generator: keras.random.SeedGenerator) -> None:
    """Make a generator draw different numbers on each device; those of the first are the same as on a single device."""
    plain = generator.next

    def following(ordered: bool = True) -> tf.Tensor:
        seed = plain(ordered)
        replica = tf.cast(_context().replica_id_in_sync_group, seed.dtype)
        return seed + tf.stack([replica * _APART, tf.zeros_like(replica)])

    generator.next = following
