"""The mathematics of a head in NumPy: gradients, dropout, Adam and schedule are those of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.test_many_heads import CLASSES, configured, made_up
from transfer.config import OptimizerConfig
from transfer.models import heads
from transfer.training import many_heads, numpy_head, optimizers
from transfer.training.numpy_head import Adam, Network


@pytest.mark.parametrize("dense", [(), (8,), (16, 8)])
def test_gradients_are_those_of_keras(dense: tuple[int, ...]) -> None:
    rows, labels = made_up(20)
    config = configured({"dense": dense, "l2": 0.0})
    head = heads.build(6, CLASSES, config.head, config.seed)
    weights = np.linspace(0.5, 2, 20).astype(np.float32)
    targets = np.eye(CLASSES, dtype=np.float32)[labels]
    with tf.GradientTape() as tape:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)(targets, head(rows), weights)
    expected = tape.gradient(loss, [weight.value for weight in head.trainable_weights])
    network = Network(head.get_weights())
    network.differentiate(rows.copy(), targets, weights)
    for number, (kernel, bias) in enumerate(network.layer_gradients):
        np.testing.assert_allclose(kernel, expected[2 * number], atol=1e-6)
        np.testing.assert_allclose(bias, expected[2 * number + 1], atol=1e-6)


def test_gradients_with_dropout_are_those_of_the_network_that_is_left() -> None:
    """By differences of the loss, with the same values dropped again."""
    rows, labels = made_up(10)
    weights, targets = np.ones(10, np.float32), np.eye(CLASSES, dtype=np.float32)[labels]
    network = Network(many_heads.initial_weights(6, CLASSES, configured({"dense": (8, 8)})))
    network.differentiate(rows.copy(), targets, weights, 0.4, np.random.SFC64(1))
    found, masks = network.gradients.copy(), []

    def drop(shape: tuple[int, ...], random: np.random.SFC64) -> np.ndarray:
        kept = np.ones(shape, np.float32)
        numpy_head._drop(kept, 0.4, random)
        return kept.astype(np.float64) / 0.6

    random = np.random.SFC64(1)
    masks = [drop((10, width), random) for width in (6, 8, 8)]
    values = network.values.astype(np.float64)

    def loss(values: np.ndarray) -> float:
        layers = network._by_layer(values, [*(kernel for kernel, _ in network.layers), *(bias for _, bias in network.layers)])
        x = rows.astype(np.float64)
        for number, ((kernel, bias), mask) in enumerate(zip(layers, masks, strict=True)):
            x = (x * mask) @ kernel + bias
            x = np.maximum(x, 0) if number < 2 else x
        return float(-(x - np.log(np.exp(x).sum(1, keepdims=True)))[np.arange(10), labels].mean())

    step = 1e-6
    for position in range(0, len(values), 5):
        moved = np.eye(1, len(values), position)[0] * step
        assert found[position] == pytest.approx((loss(values + moved) - loss(values - moved)) / (2 * step), abs=1e-5)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.77])
def test_dropout_drops_the_given_fraction_and_keeps_the_rest_as_it_is(rate: float) -> None:
    x = np.random.default_rng(0).normal(size=(301, 333)).astype(np.float32)
    dropped = x.copy()
    numpy_head._drop(dropped, rate, np.random.SFC64(0))
    assert np.isin(dropped[dropped != 0], x).all()
    assert (dropped == 0).mean() == pytest.approx(rate, abs=0.01)
    assert (dropped == 0).mean(axis=0).std() < 0.05 and (dropped == 0).mean(axis=1).std() < 0.05


def test_adam_goes_through_large_vectors_in_pieces_without_leaving_any_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def stepped() -> np.ndarray:
        network = Network(many_heads.initial_weights(6, CLASSES, configured()))
        adam = Adam(network, 0.01, OptimizerConfig(weight_decay=0.1, clip_norm=1.0))
        for number in range(3):
            network.gradients[:] = np.random.default_rng(number).normal(size=network.values.size)
            adam.step(0.01)
        return network.values

    whole = stepped()
    monkeypatch.setattr(numpy_head, "_PIECE", 7)
    np.testing.assert_allclose(stepped(), whole, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 20), st.integers(1, 9), st.floats(0, 0.95), st.floats(1e-5, 1.0)
)  # fmt: skip
def test_the_schedule_is_that_of_the_optimizer(epochs: int, steps: int, warmup: float, rate: float) -> None:
    chosen = OptimizerConfig(epochs=epochs, warmup=warmup, learning_rate=rate)
    schedule = optimizers.schedule(chosen, steps)
    found = numpy_head.rates(chosen, steps)
    assert len(found) == epochs * steps
    for step in {0, len(found) // 3, len(found) - 1}:
        assert found[step] == pytest.approx(float(schedule(step)), rel=1e-4, abs=1e-7)
