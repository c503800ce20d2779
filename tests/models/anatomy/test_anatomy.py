"""The table of layers: the published figures of every network of the registry."""

import math
from functools import cache

import keras
import pandas as pd
import pytest

import transfer
from transfer.errors import ConfigError
from transfer.models import scratch
from transfer.models.anatomy.layer_table import anatomy
from transfer.models.registry import BACKBONES, SCRATCH, names

PUBLISHED = {
    # Parameters: the table of keras.applications. Multiply-adds: VGG, DenseNet-121 and ConvNeXt as torchvision lists them;
    # Inception v3 and Xception from Zoph et al. 2018 (arXiv:1707.07012, table 2); ResNet-50 with strides as Keras has them:
    # half of the 6.97 G operations that github.com/google-research/receptive_field counts; MobileNetV2 from Sandler et al.
    # 2018 (arXiv:1801.04381); EfficientNetV2-B0 from its authors' code ("0.7B" operations: one for a multiply-add).
    "vgg16": (138_357_544, 15.47e9),
    "vgg19": (143_667_240, 19.63e9),
    "inception_v3": (23_851_784, 5.72e9),
    "resnet50_v2": (25_613_800, 3.48e9),
    "xception": (22_910_480, 8.38e9),
    "densenet121": (8_062_504, 2.83e9),
    "mobilenet_v2": (3_538_984, 300e6),
    "efficientnet_v2_b0": (7_200_312, 0.7e9),
    "convnext_tiny": (28_589_128, 4.46e9),
}

FIELDS = [
    # Receptive field, stride, first pixel, as computed by Araujo et al. 2019 (github.com/google-research/receptive_field).
    ("vgg16", "block5_pool", 212, 32, -90),
    ("inception_v3", "mixed10", 1311, 32, -618),
    ("alexnet", "pool5", 195, 32, -64),
    # The same field as there; the first pixel differs by Keras's own padding before the first pooling.
    ("resnet50_v2", "post_relu", 483, 32, -241),
]


@cache
def layers(network: str, classes: int | None = None) -> pd.DataFrame:
    """Return a network's table, built once for all tests."""
    return anatomy(network, classes=classes)


@pytest.mark.parametrize("network", list(PUBLISHED))
def test_parameters_and_multiply_adds_are_the_published_ones(network: str) -> None:
    parameters, multiply_adds = PUBLISHED[network]
    table = layers(network, 1000)
    assert table["parameters"].sum() == parameters
    assert table["multiply_adds"].sum() == pytest.approx(multiply_adds, rel=0.03 if multiply_adds == 0.7e9 else 0.005)


def test_every_backbone_is_compared_with_published_figures() -> None:
    assert set(PUBLISHED) == set(BACKBONES)


def test_lenet_has_the_figures_of_its_paper() -> None:
    table = anatomy("lenet", classes=10).set_index("layer")
    assert table["parameters"].sum() == 61_706
    connections = {"c1": 28 * 28 * 6 * 25, "c3": 10 * 10 * 16 * 6 * 25, "c5": 400 * 120, "f6": 120 * 84, "logits": 84 * 10}
    assert table["multiply_adds"][list(connections)].to_dict() == connections
    assert table["multiply_adds"].sum() == sum(connections.values())
    assert table["field_height"][["c1", "s2", "c3", "s4"]].tolist() == [5, 6, 14, 16]


@pytest.mark.parametrize(("network", "layer", "field", "stride", "start"), FIELDS)
def test_receptive_fields_are_the_published_ones(network: str, layer: str, field: int, stride: int, start: int) -> None:
    row = layers(network).set_index("layer").loc[layer]
    assert (row.field_height, row.stride_height, row.start_height) == (field, stride, start)
    assert (row.field_width, row.stride_width, row.start_width) == (field, stride, start)
    assert not row.whole_image


def test_one_row_of_vgg16_is_right_in_every_column() -> None:
    row = layers("vgg16").set_index("layer").loc["block1_conv2"]
    assert row.to_dict() == {
        "kind": "conv 3x3", "block": "block1_pool", "output": "224x224x64", "parameters": 3 * 3 * 64 * 64 + 64,
        "multiply_adds": 224 * 224 * 3 * 3 * 64 * 64, "field_height": 5, "field_width": 5, "stride_height": 1,
        "stride_width": 1, "start_height": -2, "start_width": -2, "whole_image": False, "activation_bytes": 224 * 224 * 64 * 4,
    }  # fmt: skip


@pytest.mark.parametrize("network", names())
def test_nothing_is_unknown_in_the_networks_of_the_table(network: str) -> None:
    table = layers(network, 1000)
    assert table.columns[table.isna().any()].tolist() == []
    assert table["output"].iloc[-1] == "1000"
    assert table["whole_image"].iloc[-1]


@pytest.mark.parametrize("network", list(BACKBONES))
def test_blocks_end_at_the_cut_points_in_their_order(network: str) -> None:
    with_top, without = layers(network, 1000), layers(network)
    assert list(dict.fromkeys(without["block"])) == BACKBONES[network].cut_names
    assert list(dict.fromkeys(with_top["block"])) == [*BACKBONES[network].cut_names, "classifier"]
    for table in (with_top, without):
        last = table.groupby("block", sort=False)["layer"].last()
        for cut in BACKBONES[network].cuts:
            if cut.layer and not cut.before:
                assert last[cut.name] == cut.layer


@pytest.mark.parametrize("network", list(SCRATCH))
def test_parameters_of_networks_from_scratch_are_those_that_keras_counts(network: str) -> None:
    row = SCRATCH[network]
    with keras.StatelessScope(initialize_variables=False):
        model = scratch.build(row, row.size, 4, 127.0, 4900.0, 0)
    counted = sum(math.prod(weight.shape) for weight in model.weights)
    table = anatomy(network, classes=4)
    assert table["parameters"].sum() == counted
    without = anatomy(network)
    assert len(without) == len(table) - 1
    assert without["parameters"].sum() == counted - table["parameters"].iloc[-1]


def test_size_and_channels_change_what_depends_on_them() -> None:
    usual, changed = layers("mobilenet_v2"), anatomy("mobilenet_v2", size=96, channels=5)
    assert changed["output"].iloc[0] == "96x96x5"
    assert changed["parameters"].sum() - usual["parameters"].sum() == 2 * 3 * 3 * 32
    assert changed["output"].iloc[-1] == "3x3x1280"


def test_names_and_keras_are_left_as_they_were() -> None:
    before = keras.layers.Dense(1).name
    first = anatomy("xception")
    assert first.equals(anatomy("xception"))
    number = [int(name.rpartition("_")[2]) if "_" in name else 0 for name in (before, keras.layers.Dense(1).name)]
    assert number[1] == number[0] + 1
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    assert layer.get_weights()[0].shape == (3, 2)


def test_it_is_a_function_of_the_package() -> None:
    assert transfer.anatomy is anatomy


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [
        ("vgg61", {}, "Did you mean 'vgg1"),
        ("inception_v3", {"size": 74}, "inception_v3 needs images of at least 75 pixels"),
        ("vgg16", {"size": 0}, "at least 32 pixels"),
        ("vgg16", {"channels": 0}, r"channels is a whole number from 1 on. Received channels=0"),
        ("vgg16", {"classes": 0}, "classes is a whole number from 1 on. Received classes=0"),
        ("lenet", {"channels": 1}, "lenet takes RGB.*Received channels=1"),
    ],
)
def test_what_a_network_does_not_take_is_refused(network: str, options: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        anatomy(network, **options)
