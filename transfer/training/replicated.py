"""One training on several devices, each with a copy of the network and a part of each batch, to the result of one device.

`tf.distribute` and Keras leave four things to be set right (Keras 3.15): they divide the loss by the rows of a device, so that
a batch which the devices share unevenly counts some rows more than others; they cut a data set into parts that reach over
the end of an epoch; they clip gradients, and look for infinite ones, before the devices' gradients are added; and they
drop the same units on every device. What is left are differences of rounding.
"""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

_APART = 1_000_003  # between the seeds of devices, so that those of neighbouring layers do not meet


class Replicated(keras.Model):
    """A copy of a network on each device of a strategy, trained as one.

    What it takes is (rows, one-hot labels, weights), the part of a batch for one device. A weight of zero marks a row that fills
    a part up and does not count; batch normalisation alone sees it.

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
        """Do as Keras's `fit` with data sets of whole batches, which the devices share; the number of batches must be known."""
        strategy = self.distribute_strategy
        steps = int(validation_data.cardinality())
        judged = divided(validation_data.repeat(), strategy)  # Keras looks for one batch more before it begins anew
        return super().fit(divided(x, strategy), validation_data=judged, validation_steps=steps, **options)

    def train_step(self, data: tuple[tf.Tensor, ...]) -> dict[str, Any]:
        """Learn from the parts of one batch; see the class."""
        with tf.GradientTape() as tape:
            loss, metrics = self._judged(data, training=True)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_weights)
        summed = _context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        # The optimizer adds them up once more: divided, the sum is what it is; `optimizers.build` divides where it clips.
        self.optimizer.apply_gradients(zip([one / self.replicas for one in summed], self.trainable_weights, strict=True))
        return metrics

    def test_step(self, data: tuple[tf.Tensor, ...]) -> dict[str, Any]:
        """Judge the parts of one batch; see the class."""
        return self._judged(data, training=False)[1]

    def _judged(self, data: tuple[tf.Tensor, ...], training: bool) -> tuple[tf.Tensor, dict[str, Any]]:
        """Return this device's share of the loss, which together are that of the whole batch, and the metrics so far."""
        rows, labels, weights = data
        logits = self(rows, training=training)
        counted = tf.math.count_nonzero(weights, dtype=tf.float32)
        everywhere = _context().all_reduce(tf.distribute.ReduceOp.SUM, counted)
        here = tf.cast(tf.shape(weights)[0], tf.float32)
        # Keras divides by the rows here and by the devices.
        share = weights * (here * self.replicas / everywhere)
        loss = self.compute_loss(rows, labels, logits, share, training=training)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss * self.replicas, sample_weight=everywhere / self.replicas)
        return loss, self.compute_metrics(rows, labels, logits, weights)

    def copy_to(self, network: keras.Model) -> None:
        """Give a network the weights and states of this one."""
        _assign(network, self.network)


def divided(batches: tf.data.Dataset, strategy: tf.distribute.Strategy) -> tf.distribute.DistributedDataset:
    """Cut each batch into a part for each device, in their order.

    Keras wants parts of one size, so where a batch does not divide, its first rows come once more, with a weight of zero.
    """
    replicas = strategy.num_replicas_in_sync

    def parts(*batch: tf.Tensor) -> tf.data.Dataset:
        count = tf.shape(batch[0])[0]
        size = (count + replicas - 1) // replicas
        numbers = tf.range(size * replicas)
        *others, weights = (tf.gather(values, numbers % count) for values in batch)
        whole = (*others, tf.where(numbers < count, weights, tf.zeros_like(weights)))
        return tf.data.Dataset.from_tensor_slices(tuple(tf.reshape(one, [replicas, size, *one.shape[1:]]) for one in whole))

    # A data set that is handed over whole is cut across the borders of batches and epochs, so it is cut here.
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
    """Make a generator draw other numbers on each device; those of the first are as on one device."""
    plain = generator.next

    def following(ordered: bool = True) -> tf.Tensor:
        seed = plain(ordered)
        replica = tf.cast(_context().replica_id_in_sync_group, seed.dtype)
        return seed + tf.stack([replica * _APART, tf.zeros_like(replica)])

    generator.next = following
