"""The log loss after temperature scaling, as a metric that costs nothing: no second pass over the validation split.

A network that is fine-tuned soon becomes too sure of itself: its log loss rises while its accuracy still does too. The exported
model is calibrated anyway (`evaluation/calibration.py`), so an epoch is judged as it would be exported.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer.evaluation import calibration

_POINTS = 61
"""Temperatures that are tried. The loss is flat about its minimum, so that between two of them it changes in the fourth digit."""


class ScaledLoss(keras.metrics.Metric):
    """The smallest log loss that one temperature for all rows gives, with the targets of `calibration.temperature`.

    The sums at each temperature are kept, so batches, and devices, can be added up.
    """

    def __init__(self, classes: int, name: str = "scaled_loss", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.classes = classes
        temperatures = np.geomspace(calibration.LOWEST, calibration.HIGHEST, _POINTS)
        self._inverse = (1 / temperatures).astype(np.float32)[:, None]
        self.of_true = self.add_variable((_POINTS,), "zeros", name="of_true")
        self.of_all = self.add_variable((_POINTS,), "zeros", name="of_all")
        self.rows = self.add_variable((), "zeros", name="rows")

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        """Add a batch.

        Args:
            y_true: one-hot labels, [b, classes].
            y_pred: logits, [b, classes].
            sample_weight: weight of each row, [b]; none: 1.
        """
        targets, logits = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
        weights = tf.ones_like(targets[:, 0]) if sample_weight is None else tf.cast(sample_weight, tf.float32)
        logarithms = tf.nn.log_softmax(logits[:, tf.newaxis] * self._inverse)  # [b, temperatures, classes]
        self.of_true.assign_add(-tf.einsum("b,bk,btk->t", weights, targets, logarithms))
        self.of_all.assign_add(-tf.einsum("b,btk->t", weights, logarithms))
        self.rows.assign_add(tf.reduce_sum(weights))

    def result(self) -> tf.Tensor:
        """Return the loss, a scalar; 0 without rows."""
        rows, of_true, of_all = (tf.convert_to_tensor(value) for value in (self.rows, self.of_true, self.of_all))
        share = (rows + 1) / (rows + 2)
        others = (1 - share) / (self.classes - 1)
        return tf.math.divide_no_nan(tf.reduce_min((share - others) * of_true + others * of_all), rows)
