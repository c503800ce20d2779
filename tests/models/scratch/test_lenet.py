"""LeNet-5 in its classic shape, on RGB that is turned grey inside."""

from typing import Any

import keras
import numpy as np
import pytest

from transfer.config import NetworkConfig
from transfer.errors import ConfigError
from transfer.models import scratch
from transfer.models.registry import SCRATCH

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.float32)


def build(size: int = 32, classes: int = 10, seed: int = 0, **options: Any) -> keras.Model:
    return scratch.build(SCRATCH["lenet"], size, classes, 127.0, 70.0**2, seed, NetworkConfig(**options))


def test_it_has_the_61706_parameters_of_the_paper_on_32_pixels_and_10_classes() -> None:
    model = build()
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 61_706
    assert len(model.trainable_weights) == len(model.weights) == 10


def test_its_maps_have_the_sizes_of_the_paper() -> None:
    model = build()
    shapes = {name: model.get_layer(name).output.shape[1:] for name in ("c1", "s2", "c3", "s4", "c5", "f6", "logits")}
    assert shapes == {
        "c1": (28, 28, 6), "s2": (14, 14, 6), "c3": (10, 10, 16), "s4": (5, 5, 16), "c5": (120,), "f6": (84,), "logits": (10,),
    }  # fmt: skip


def test_it_sees_brightness_and_not_colour() -> None:
    model = build()
    grey = IMAGES @ np.array([0.2989, 0.5870, 0.1140], np.float32)
    as_grey = np.repeat(grey[..., None], 3, -1) / np.float32(0.9999)  # Keras's three weights sum to that
    np.testing.assert_allclose(np.asarray(model(IMAGES)), np.asarray(model(as_grey)), atol=1e-4)
    assert not np.allclose(np.asarray(model(IMAGES)), np.asarray(model(IMAGES[..., ::-1])), atol=1e-3)


def test_pixels_are_standardised_by_the_moments_given() -> None:
    layer = build().get_layer("standardize")
    received = np.asarray(layer(np.array([[127.0], [197.0], [57.0]], np.float32))).ravel()
    np.testing.assert_allclose(received, [0.0, 1.0, -1.0], atol=1e-4)


def test_images_of_one_colour_give_finite_outputs() -> None:
    model = scratch.build(SCRATCH["lenet"], 32, 2, 255.0, 0.0, 0)
    assert np.isfinite(np.asarray(model(np.full((1, 32, 32, 3), 255.0, np.float32)))).all()


@pytest.mark.parametrize(("size", "classes"), [(16, 2), (28, 3), (64, 7)])
def test_other_sizes_and_numbers_of_classes(size: int, classes: int) -> None:
    model = build(size, classes)
    assert model(np.zeros((2, size, size, 3), np.float32)).shape == (2, classes)


@pytest.mark.parametrize("size", [8, 12, 15])
def test_too_small_images_are_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=f"lenet needs images of at least 16 pixels a side. Received image_size={size}"):
        build(size)


def test_at_its_smallest_size_one_value_of_each_map_is_left() -> None:
    assert build(SCRATCH["lenet"].smallest).get_layer("s4").output.shape[1:3] == (1, 1)


def test_its_weights_are_a_function_of_the_seed() -> None:
    keras.utils.set_random_seed(5)  # a global seed must have no influence
    first = build(seed=3).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, build(seed=3).get_weights(), strict=True))
    assert not np.array_equal(first[0], build(seed=4).get_weights()[0])


def test_it_has_no_dropout_or_penalty_unless_they_are_asked_for() -> None:
    def dropouts(model: keras.Model) -> int:
        return sum(isinstance(layer, keras.layers.Dropout) for layer in model.layers)

    assert dropouts(build()) == 0 and not build().losses
    regularised = build(dropout=0.5, l2=0.1)
    assert dropouts(regularised) == 2 and len(regularised.losses) == 5
