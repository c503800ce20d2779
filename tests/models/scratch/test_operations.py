"""Operations that Keras lacks: blur pooling, local response normalisation, and the layer without shared weights."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models.scratch.scratch_models import reloaded
from transfer.models.scratch.operations import blur, local_response_normalization, locally_connected, pool

BINOMIAL = {2: [1, 1], 3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1]}


def pooled(values: np.ndarray, kind: str, size: int = 2, stride: int = 2, taps: int = 3) -> np.ndarray:
    """Pool one map [h, w] and return the result."""
    images = keras.Input((*values.shape, 1))
    model = keras.Model(images, pool(images, kind, size, stride, "pool", taps))
    return np.asarray(model(values[None, ..., None].astype(np.float32)))[0, ..., 0]


def test_maximum_and_average_of_windows() -> None:
    values = np.arange(16.0).reshape(4, 4)
    assert pooled(values, "max").tolist() == [[5, 7], [13, 15]]
    assert pooled(values, "average").tolist() == [[2.5, 4.5], [10.5, 12.5]]


@pytest.mark.parametrize("taps", BINOMIAL)
@pytest.mark.parametrize("stride", [2, 3])
def test_blur_is_the_binomial_filter_on_the_mirrored_map_then_subsampled(taps: int, stride: int) -> None:
    values = np.random.default_rng(0).normal(size=(9, 8)).astype(np.float32)
    images = keras.Input((9, 8, 1))
    model = keras.Model(images, blur(images, stride, "blur", taps))
    weights = np.outer(BINOMIAL[taps], BINOMIAL[taps]) / sum(BINOMIAL[taps]) ** 2
    before = (taps - 1) // 2
    mirrored = np.pad(values, (before, taps - 1 - before), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, (taps, taps))[::stride, ::stride]
    expected = (windows * weights).sum((-1, -2))
    np.testing.assert_allclose(np.asarray(model(values[None, ..., None]))[0, ..., 0], expected, atol=1e-5)


def test_blur_pooling_takes_the_maximum_first() -> None:
    values = np.random.default_rng(1).normal(size=(8, 8))
    first = pooled(values, "max", stride=1)
    assert first.shape == (7, 7)
    images = keras.Input((7, 7, 1))
    expected = keras.Model(images, blur(images, 2, "blur", 3))(first[None, ..., None])
    np.testing.assert_allclose(pooled(values, "blur"), np.asarray(expected)[0, ..., 0], atol=1e-6)


@pytest.mark.parametrize("kind", ["max", "average", "blur"])
@pytest.mark.parametrize(("side", "size", "stride"), [(8, 2, 2), (9, 2, 2), (13, 3, 2), (2, 2, 2), (3, 2, 2), (3, 3, 2), (5, 2, 1)])
@pytest.mark.parametrize("taps", [2, 7])
def test_all_kinds_give_the_same_size(kind: str, side: int, size: int, stride: int, taps: int) -> None:
    expected = (side - size) // stride + 1
    assert pooled(np.ones((side, side)), kind, size, stride, taps).tolist() == np.ones((expected, expected)).tolist()


def change_by_a_shift(kind: str) -> float:
    """Return how much of a pooled edge pattern changes, at most, where the pattern moves by one pixel."""
    line = np.tile([0.0, 0.0, 1.0, 1.0], 8)  # Zhang's example: a square wave, whose maxima depend on where a window begins
    still, moved = (pooled(np.tile(np.roll(line, shift), (16, 1)), kind)[2:-2, 4:-4] for shift in (0, 1))
    return float(np.abs(still - moved).max())


def test_max_pooling_breaks_shift_invariance_and_blur_pooling_much_less() -> None:
    assert change_by_a_shift("max") == 1.0
    assert change_by_a_shift("blur") == pytest.approx(0.25)


def test_blur_pooling_has_no_weights_and_opens_in_safe_mode(tmp_path: Path) -> None:
    images = keras.Input((9, 9, 2))
    model = keras.Model(images, pool(images, "blur", 3, 2, "pool", 5))
    values = np.random.default_rng(0).normal(size=(2, 9, 9, 2)).astype(np.float32)
    assert not model.weights
    assert np.array_equal(np.asarray(reloaded(model, tmp_path)(values)), np.asarray(model(values)))


def test_local_response_normalisation_is_tensorflows() -> None:
    images = keras.Input((4, 4, 7))
    model = keras.Model(images, local_response_normalization(images))
    values = np.random.default_rng(0).normal(0, 100, (2, 4, 4, 7)).astype(np.float32)
    expected = tf.nn.local_response_normalization(values, depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75)
    np.testing.assert_allclose(np.asarray(model(values)), expected.numpy(), rtol=1e-4)


MAPS = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)


def local_model(kernel: int = 3, strides: int = 1, padding: str = "valid", seed: int = 0) -> keras.Model:
    images = keras.Input((8, 8, 3))
    return keras.Model(images, locally_connected(images, 4, kernel, strides, padding, "local", seed, bias_axes="ijm"))


def shared_model(kernel: int, strides: int, padding: str) -> keras.Model:
    images = keras.Input((8, 8, 3))
    layer = keras.layers.Conv2D(4, kernel, strides, padding, bias_initializer=keras.initializers.RandomNormal(seed=2), name="conv")
    return keras.Model(images, layer(images))


@pytest.mark.parametrize(("kernel", "strides", "padding"), [(3, 1, "valid"), (3, 1, "same"), (5, 2, "valid"), (2, 3, "same")])
def test_a_locally_connected_layer_with_equal_weights_everywhere_is_the_convolution(kernel: int, strides: int, padding: str) -> None:
    local, shared = local_model(kernel, strides, padding), shared_model(kernel, strides, padding)
    assert local.output_shape == shared.output_shape
    weights, bias = shared.get_layer("conv").get_weights()
    places = local.output_shape[1:3]
    flat = weights.reshape(-1, 4)
    local.get_layer("local").set_weights([np.broadcast_to(flat, (*places, *flat.shape)), np.broadcast_to(bias, (*places, 4))])
    np.testing.assert_allclose(np.asarray(local(MAPS)), np.asarray(shared(MAPS)), atol=1e-5)


def test_a_locally_connected_layer_has_weights_and_a_bias_for_each_place() -> None:
    assert local_model().count_params() == 6 * 6 * (3 * 3 * 3 * 4 + 4)


def test_the_weights_of_one_place_change_only_that_place() -> None:
    model = local_model()
    before = np.asarray(model(MAPS))
    kernel, bias = model.get_layer("local").get_weights()
    kernel[2, 5] += 1
    model.get_layer("local").set_weights([kernel, bias])
    changed = np.abs(np.asarray(model(MAPS)) - before).max((0, 3)) > 0
    assert changed[2, 5] and changed.sum() == 1


def test_locally_connected_weights_start_as_hes_and_are_a_function_of_the_seed() -> None:
    kernel = local_model(seed=3).get_layer("local").get_weights()[0]
    assert kernel.std() == pytest.approx((2 / 27) ** 0.5, rel=0.05)
    assert np.array_equal(kernel, local_model(seed=3).get_layer("local").get_weights()[0])
    assert not np.array_equal(kernel, local_model(seed=4).get_layer("local").get_weights()[0])


def test_a_locally_connected_layer_opens_in_safe_mode_without_this_package(tmp_path: Path) -> None:
    model = local_model()
    assert np.array_equal(np.asarray(reloaded(model, tmp_path)(MAPS)), np.asarray(model(MAPS)))
