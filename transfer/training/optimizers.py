"""Adam with linear warmup and cosine decay to zero (Kingma and Ba 2015; Loshchilov and Hutter 2017, 2019), optionally with a
learning rate for each layer."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from transfer.config import OptimizerConfig

_NOT_DECAYED = ["bias", "gamma", "beta"]


def schedule(settings: OptimizerConfig, steps_per_epoch: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate as a function of the step."""
    steps = steps_per_epoch * settings.epochs
    rising = int(settings.warmup * steps)
    if not rising:
        return keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    falling = steps - rising
    # Not from zero: the first step would change nothing.
    first = settings.learning_rate / rising
    return keras.optimizers.schedules.CosineDecay(first, falling, warmup_target=settings.learning_rate, warmup_steps=rising)


def build(
    settings: OptimizerConfig,
    rate: keras.optimizers.schedules.LearningRateSchedule,
    factors: Sequence[float] | None = None,
    precision: str = "float32",
    replicas: int = 1,
) -> Any:
    """Return the optimizer.

    Args:
        settings: weight decay and clipping.
        rate: the result of `schedule`.
        factors: factor of the learning rate for each trained variable; none: the same rate for all.
        precision: precision of the computation; in float16 the loss is scaled, so that small gradients do not become zero.
        replicas: number of devices; on each, the gradients are the sum over all devices divided by it (`replicated.py`).
    """
    largest = settings.clip_norm / replicas if settings.clip_norm else None
    options: dict[str, Any] = {"learning_rate": rate, "global_clipnorm": largest}
    if settings.weight_decay:
        options["weight_decay"] = settings.weight_decay
    optimizer = _Layerwise(factors, **options) if factors else keras.optimizers.Adam(**options)
    if settings.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "float16" else optimizer


class _Layerwise(keras.optimizers.Adam):
    """Adam with a factor of the learning rate for each variable, in the order in which the variables were built."""

    def __init__(self, factors: Sequence[float], **options: Any) -> None:
        super().__init__(name="layerwise", **options)  # TensorFlow refuses the name that Keras derives from the class
        self._factors = list(factors)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        super().update_step(gradient, variable, learning_rate * self._factors[self._get_variable_index(variable)])
