"""AlexNet in one tower, with either normalisation, at any size that its five layers leave something of."""

import keras
import pytest

from tests.models.scratch.scratch_models import build, images, kinds, without_memory
from transfer.errors import ConfigError
from transfer.models.registry import SCRATCH

TINY = {"filters": (4, 6, 8, 6, 6), "dense": (16, 12)}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [(None, 61_100_840), ((96, 256, 384, 384, 256), 62_378_344)],
    ids=["2014 and torchvision", "both towers of 2012"],
)
def test_its_parameters_at_227_pixels_and_1000_classes(filters: tuple[int, ...] | None, expected: int) -> None:
    with without_memory():
        model = build("alexnet", 227, 1000, filters=filters)
    assert model.count_params() == expected


def test_its_maps_have_the_sizes_of_the_paper() -> None:
    with without_memory():
        model = build("alexnet", 227, 1000)
    sides = {name: model.get_layer(name).output.shape[1] for name in ("conv1", "pool1", "conv2", "pool2", "conv5", "pool5")}
    assert sides == {"conv1": 55, "pool1": 27, "conv2": 27, "pool2": 13, "conv5": 13, "pool5": 6}


@pytest.mark.parametrize(("normalization", "batch", "local"), [("local", 0, 2), ("batch", 7, 0), ("none", 0, 0)])
def test_normalisation_is_an_option(normalization: str, batch: int, local: int) -> None:
    found = kinds(build("alexnet", 67, normalization=normalization, **TINY))
    assert (found.count("BatchNormalization"), found.count("Rsqrt")) == (batch, local)


def test_dropout_and_weight_decay_are_those_of_the_paper() -> None:
    model = build("alexnet", 67, **TINY)
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert [layer.rate for layer in dropouts] == [0.5, 0.5]
    penalties = [layer.kernel_regularizer for layer in model.layers if hasattr(layer, "kernel_regularizer")]
    assert len(penalties) == 8 and {float(penalty.l2) for penalty in penalties} == {5e-4}


@pytest.mark.parametrize("size", [67, 80, 131])
def test_it_adapts_to_other_sizes(size: int) -> None:
    assert build("alexnet", size, 5, **TINY)(images(size)).shape == (2, 5)


@pytest.mark.parametrize("size", [32, 66])
def test_too_small_images_are_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=f"alexnet needs images of at least 67 pixels a side. Received image_size={size}"):
        build("alexnet", size, **TINY)


def test_at_its_smallest_size_one_value_of_each_map_is_left() -> None:
    assert build("alexnet", SCRATCH["alexnet"].smallest, **TINY).get_layer("pool5").output.shape[1:3] == (1, 1)
