"""The smallest convolutional network: INPUT - CONV(12) - RELU - POOL - FC."""

import numpy as np
import pytest

from tests.models.scratch.scratch_models import build, images, kinds
from transfer.errors import ConfigError


def test_its_maps_are_those_of_the_course_and_its_parameters_31066() -> None:
    model = build("cifar", 32, 10)
    assert model.get_layer("conv1").output.shape[1:] == (32, 32, 12)
    assert model.get_layer("pool1").output.shape[1:] == (16, 16, 12)
    assert model.count_params() == (3 * 3 * 3 * 12 + 12) + (16 * 16 * 12 * 10 + 10) == 31_066


def test_its_layers_are_in_the_order_of_its_name() -> None:
    assert kinds(build("cifar", 32)) == ["InputLayer", "Normalization", "Conv2D", "Activation", "MaxPooling2D", "Flatten", "Dense"]


@pytest.mark.parametrize(("size", "filters", "padding"), [(8, (4,), "same"), (15, (4, 5, 6), "same"), (22, (4, 5, 6), "valid")])
def test_it_adapts_to_sizes_and_numbers_of_blocks(size: int, filters: tuple[int, ...], padding: str) -> None:
    assert build("cifar", size, 4, filters=filters, padding=padding)(images(size)).shape == (2, 4)


@pytest.mark.parametrize(("size", "filters", "padding", "smallest"), [(21, (4, 5, 6), "valid", 22), (15, (1, 1, 1, 1), "same", 16)])
def test_too_small_images_are_refused(size: int, filters: tuple[int, ...], padding: str, smallest: int) -> None:
    with pytest.raises(ConfigError, match=f"cifar needs images of at least {smallest} pixels a side. Received image_size={size}"):
        build("cifar", size, filters=filters, padding=padding)


def test_grey_images_have_one_channel_inside() -> None:
    model = build("cifar", 16, color="grey")
    assert model.get_layer("conv1").kernel.shape == (3, 3, 1, 12)
    grey = np.repeat(images(16)[..., :1], 3, -1)
    assert np.isfinite(np.asarray(model(grey))).all()


def test_without_sharing_it_has_weights_for_each_place() -> None:
    model = build("cifar", 16, locally_connected=True)
    assert model.get_layer("conv1").kernel.shape == (16, 16, 27, 12)
    assert model.get_layer("conv1").output.shape[1:] == (16, 16, 12)
