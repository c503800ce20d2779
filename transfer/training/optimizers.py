"""Adam with a rate that rises in a straight line and falls to zero along a cosine (Kingma and Ba 2015; Loshchilov and Hutter
2017, 2019), and with a rate of its own for each layer where that is wanted."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from transfer.config import OptimizerConfig

_NOT_DECAYED = ["bias", "gamma", "beta"]


def schedule(settings: OptimizerConfig, steps_per_epoch: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the rate as a function of the step."""
    steps = steps_per_epoch * settings.epochs
    rising = int(settings.warmup * steps)
    if not rising:
        return keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    falling = steps - rising
    # The first step already learns: a rate of zero would be a step for nothing.
    first = settings.learning_rate / rising
    return keras.optimizers.schedules.CosineDecay(first, falling, warmup_target=settings.learning_rate, warmup_steps=rising)


def build(
    settings: OptimizerConfig,
    rate: keras.optimizers.schedules.LearningRateSchedule,
    factors: Sequence[float] | None = None,
    precision: str = "float32",
    replicas: int = 1,
) -> Any:
    """Return the optimizer of a training.

    Args:
        settings: decay and clipping.
        rate: from `schedule`.
        factors: what the rate of each trained variable is multiplied with; none: all learn at the same rate.
        precision: of the products; in float16 the loss is scaled, or small gradients would become zero.
        replicas: it is given the sum of all devices' gradients, divided by their number (`replicated.py`), on each of them.
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
    """Adam whose rate is multiplied with a factor for each variable, in the order in which it was built for them."""

    def __init__(self, factors: Sequence[float], **options: Any) -> None:
        super().__init__(name="layerwise", **options)  # TensorFlow refuses the name that Keras would make of the class's
        self._factors = list(factors)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        super().update_step(gradient, variable, learning_rate * self._factors[self._get_variable_index(variable)])
