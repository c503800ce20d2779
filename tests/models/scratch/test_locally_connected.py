"""The layer without weight sharing: a convolution where the weights of all places are equal, and free of it where not."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.models.scratch.scratch_models import reloaded
from transfer.models.scratch.locally_connected import locally_connected

VALUES = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)


def build(kernel: int = 3, strides: int = 1, padding: str = "valid", seed: int = 0) -> keras.Model:
    images = keras.Input((8, 8, 3))
    return keras.Model(images, locally_connected(images, 4, kernel, strides, padding, "local", seed, bias_axes="ijm"))


def convolution(kernel: int, strides: int, padding: str) -> keras.Model:
    images = keras.Input((8, 8, 3))
    layer = keras.layers.Conv2D(4, kernel, strides, padding, bias_initializer=keras.initializers.RandomNormal(seed=2), name="conv")
    return keras.Model(images, layer(images))


@pytest.mark.parametrize(("kernel", "strides", "padding"), [(3, 1, "valid"), (3, 1, "same"), (5, 2, "valid"), (2, 3, "same")])
def test_with_equal_weights_everywhere_it_is_the_convolution(kernel: int, strides: int, padding: str) -> None:
    local, shared = build(kernel, strides, padding), convolution(kernel, strides, padding)
    assert local.output_shape == shared.output_shape
    weights, bias = shared.get_layer("conv").get_weights()
    places = local.output_shape[1:3]
    flat = weights.reshape(-1, 4)
    local.get_layer("local").set_weights([np.broadcast_to(flat, (*places, *flat.shape)), np.broadcast_to(bias, (*places, 4))])
    np.testing.assert_allclose(np.asarray(local(VALUES)), np.asarray(shared(VALUES)), atol=1e-5)


def test_it_has_weights_and_a_bias_for_each_place() -> None:
    assert build().count_params() == 6 * 6 * (3 * 3 * 3 * 4 + 4)


def test_one_places_weights_change_only_that_place() -> None:
    model = build()
    before = np.asarray(model(VALUES))
    kernel, bias = model.get_layer("local").get_weights()
    kernel[2, 5] += 1
    model.get_layer("local").set_weights([kernel, bias])
    changed = np.abs(np.asarray(model(VALUES)) - before).max((0, 3)) > 0
    assert changed[2, 5] and changed.sum() == 1


def test_its_weights_start_as_hes_and_are_a_function_of_the_seed() -> None:
    kernel = build(seed=3).get_layer("local").get_weights()[0]
    assert kernel.std() == pytest.approx((2 / 27) ** 0.5, rel=0.05)
    assert np.array_equal(kernel, build(seed=3).get_layer("local").get_weights()[0])
    assert not np.array_equal(kernel, build(seed=4).get_layer("local").get_weights()[0])


def test_it_opens_in_safe_mode_without_this_package(tmp_path: Path) -> None:
    model = build()
    assert np.array_equal(np.asarray(reloaded(model, tmp_path)(VALUES)), np.asarray(model(VALUES)))
