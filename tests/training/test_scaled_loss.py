"""The metric is the log loss that temperature scaling leaves, however the rows come in batches."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from transfer.evaluation import calibration
from transfer.training.scaled_loss import ScaledLoss


def expected(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the loss that `calibration.temperature` minimises, at its temperature."""
    count, classes = logits.shape
    of_true = (count + 1) / (count + 2)
    targets = np.full((count, classes), (1 - of_true) / (classes - 1))
    targets[np.arange(count), labels] = of_true
    return float(-(targets * log_softmax(logits / calibration.temperature(logits, labels), axis=1)).sum(1).mean())


def measured(logits: np.ndarray, labels: np.ndarray, batch: int = 7, weights: np.ndarray | None = None) -> float:
    metric = ScaledLoss(logits.shape[1])
    for start in range(0, len(logits), batch):
        part = slice(start, start + batch)
        given = None if weights is None else tf.constant(weights[part])
        metric.update_state(tf.one_hot(labels[part], logits.shape[1]), tf.constant(logits[part]), given)
    return float(metric.result())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), classes=st.integers(2, 6), count=st.integers(1, 40), scale=st.floats(0.1, 30))
def test_it_is_the_loss_after_temperature_scaling(seed: int, classes: int, count: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    logits = (scale * (generator.normal(size=(count, classes)) + np.eye(classes)[labels])).astype(np.float32)
    assert measured(logits, labels) == pytest.approx(expected(logits, labels), rel=5e-3, abs=1e-4)


def test_confidence_alone_does_not_change_it() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 50)
    logits = (generator.normal(size=(50, 3)) + np.eye(3)[labels]).astype(np.float32)
    assert measured(4 * logits, labels) == pytest.approx(measured(logits, labels), rel=1e-3)


def test_batches_do_not_matter_and_rows_of_no_weight_do_not_count() -> None:
    generator = np.random.default_rng(0)
    labels, logits = generator.integers(0, 3, 20), generator.normal(size=(20, 3)).astype(np.float32)
    weights = (np.arange(20) < 15).astype(np.float32)
    whole = measured(logits[:15], labels[:15], 15)
    assert measured(logits, labels, 4, weights) == pytest.approx(whole, rel=1e-5)


def test_each_epoch_begins_anew() -> None:
    metric = ScaledLoss(3)
    assert float(metric.result()) == 0
    metric.update_state(tf.one_hot([0, 1], 3), tf.constant([[3.0, 0, 0], [3.0, 0, 0]]))
    first = float(metric.result())
    metric.reset_state()
    metric.update_state(tf.one_hot([0, 1], 3), tf.constant([[3.0, 0, 0], [3.0, 0, 0]]))
    assert float(metric.result()) == first > 0
