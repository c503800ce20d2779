"""The rate rises and falls as it is set, each layer has its own, and decay and clipping do what they say."""

import keras
import numpy as np
import pytest

from transfer.config import OptimizerConfig
from transfer.training import optimizers

STEPS, EPOCHS = 10, 4


def settings(**changes: object) -> OptimizerConfig:
    return OptimizerConfig(**({"epochs": EPOCHS, "learning_rate": 0.01} | changes))  # type: ignore[arg-type]


def rates(config: OptimizerConfig) -> list[float]:
    rate = optimizers.schedule(config, STEPS)
    return [float(rate(step)) for step in range(STEPS * EPOCHS + 1)]


def test_without_warm_up_the_rate_falls_from_its_highest_to_zero_along_a_cosine() -> None:
    expected = [0.005 * (1 + np.cos(np.pi * step / 40)) for step in range(41)]
    np.testing.assert_allclose(rates(settings()), expected, atol=1e-8)


def test_with_warm_up_it_rises_in_a_line_and_then_falls_and_the_first_step_learns() -> None:
    received = rates(settings(warmup=0.25))
    rising = np.diff(received[:11])
    assert received[0] > 0 and np.allclose(rising, rising[0], rtol=1e-4)
    assert int(np.argmax(received)) == 10 and received[10] == pytest.approx(0.01)
    assert (np.diff(received[10:]) < 0).all() and received[-1] == pytest.approx(0, abs=1e-9)


def step(gradients: list[float], config: OptimizerConfig, factors: list[float] | None = None, precision: str = "float32") -> list[float]:
    """Return how far each of some variables, all 1 before, goes in one step at the highest rate."""
    names = ["kernel", "bias", "kernel"]
    variables = [keras.Variable(np.ones(1, np.float32), name=names[number]) for number in range(len(gradients))]
    optimizer = optimizers.build(config, optimizers.schedule(config, STEPS), factors, precision)
    optimizer.build(variables)
    scaled = [optimizer.scale_loss(keras.ops.convert_to_tensor(np.full(1, value, np.float32))) for value in gradients]
    optimizer.apply_gradients(zip(scaled, variables, strict=True))
    return [1 - float(variable[0]) for variable in variables]


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_each_variable_has_its_share_of_the_rate(precision: str) -> None:
    np.testing.assert_allclose(step([1.0, 1.0, 1.0], settings(), [1.0, 0.5, 0.25], precision), [0.01, 0.005, 0.0025], rtol=1e-3)


def test_without_shares_all_learn_alike() -> None:
    np.testing.assert_allclose(step([1.0, 1.0], settings()), [0.01, 0.01], rtol=1e-3)


def test_decay_draws_kernels_to_zero_and_no_biases() -> None:
    kernel, bias = step([0.0, 0.0], settings(weight_decay=0.5))
    assert kernel == pytest.approx(0.005, rel=1e-3) and bias == 0


def test_large_gradients_are_clipped_together() -> None:
    optimizer = optimizers.build(settings(clip_norm=1.0), optimizers.schedule(settings(), STEPS))
    clipped = optimizer._clip_gradients([keras.ops.convert_to_tensor([30.0]), keras.ops.convert_to_tensor([40.0])])
    np.testing.assert_allclose([float(value[0]) for value in clipped], [0.6, 0.8], rtol=1e-5)
