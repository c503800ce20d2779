"""Tiny VGG: blocks of two convolutions and a pooling, as in CNN Explainer."""

import pytest

from tests.models.scratch.scratch_models import build, images
from transfer.errors import ConfigError


def test_it_has_the_19920_parameters_of_cnn_explainer_on_64_pixels_and_10_classes() -> None:
    model = build("tiny_vgg", 64, 10)
    assert model.count_params() == 280 + 3 * 910 + 13 * 13 * 10 * 10 + 10 == 19_920


def test_its_maps_have_the_sizes_of_cnn_explainer() -> None:
    model = build("tiny_vgg", 64, 10)
    names = ("block1_conv1", "block1_conv2", "block1_pool", "block2_conv1", "block2_conv2", "block2_pool")
    assert [model.get_layer(name).output.shape[1] for name in names] == [62, 60, 30, 28, 26, 13]


@pytest.mark.parametrize(("size", "filters", "padding"), [(16, (4, 4), "valid"), (28, (4, 6), "valid"), (12, (4, 6, 8), "same")])
def test_it_adapts_to_sizes_and_numbers_of_blocks(size: int, filters: tuple[int, ...], padding: str) -> None:
    model = build("tiny_vgg", size, 4, filters=filters, padding=padding, dense=(8,))
    assert model(images(size)).shape == (2, 4)
    assert model.get_layer(f"block{len(filters)}_pool").output.shape[-1] == filters[-1]


@pytest.mark.parametrize(("size", "filters", "smallest"), [(15, (4, 4), 16), (35, (4, 4, 4), 36)])
def test_too_small_images_are_refused(size: int, filters: tuple[int, ...], smallest: int) -> None:
    with pytest.raises(ConfigError, match=f"tiny_vgg needs images of at least {smallest} pixels a side. Received image_size={size}"):
        build("tiny_vgg", size, filters=filters)
    last = build("tiny_vgg", smallest, filters=filters).get_layer(f"block{len(filters)}_pool")
    assert last.output.shape[1:3] == (1, 1), "the smallest size is the smallest that works"
