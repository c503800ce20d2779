"""The multi-layer perceptron: all pixels to all units, no convolution."""

import keras
import numpy as np
import pytest

from tests.models.scratch.scratch_models import build, images, kinds


def test_it_has_the_266610_parameters_of_28x28_300_100_10() -> None:
    assert build("mlp", 28, 10, color="grey").count_params() == 266_610


def test_it_has_no_convolution_and_no_pooling() -> None:
    assert kinds(build("mlp", 28)) == ["InputLayer", "Normalization", "Flatten", *["Dense", "Activation"] * 2, "Dense"]


@pytest.mark.parametrize("dense", [(), (5,), (7, 6, 5)])
def test_its_layers_are_an_option(dense: tuple[int, ...]) -> None:
    model = build("mlp", 9, 4, dense=dense)
    assert [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)] == [*dense, 4]
    assert model(images(9)).shape == (2, 4)


def test_without_hidden_layers_it_is_linear_in_the_pixels() -> None:
    model = build("mlp", 8, dense=())
    first, second = images(8, 1, 1), images(8, 1, 2)
    middle = np.asarray(model((first + second) / 2))
    np.testing.assert_allclose(middle, (np.asarray(model(first)) + np.asarray(model(second))) / 2, atol=1e-4)
