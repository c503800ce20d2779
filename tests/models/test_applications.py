"""Rows that are made from Keras itself: they agree with the table where both know a network, and cut it where all passes through."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from transfer.config import HeadConfig
from transfer.errors import ConfigError
from transfer.models import applications, backbones, heads, tunable, weights
from transfer.models.cutting import cut_points, named_by_keras
from transfer.models.pretrained import Pretrained
from transfer.models.registry import BACKBONES, find
from transfer.models.rows import Backbone
from transfer.system.progress import Silent


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(tmp_path_factory.mktemp("home")))
        return applications.row("mobilenet")


def test_a_network_of_keras_that_the_table_has_is_that_of_the_table() -> None:
    assert find("keras.applications.vgg16") is BACKBONES["vgg16"]
    assert find("Keras.Applications.EfficientNetV2B0") is BACKBONES["efficientnet_v2_b0"]


def test_the_row_says_what_the_network_is(mobilenet: Backbone) -> None:
    assert mobilenet.name == "keras.applications.MobileNet"
    assert (mobilenet.preprocessing, mobilenet.size, mobilenet.smallest) == ("tf", 224, 32)
    assert mobilenet.cut_names == ["conv_pw_1_relu", "conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"]


@pytest.mark.parametrize("name", ["vgg16", "mobilenet_v2", "convnext_tiny"])
def test_what_is_found_agrees_with_the_table(name: str) -> None:
    """The same maps, whatever they are called, but for resolutions that the table leaves out."""
    row = BACKBONES[name]
    made = applications._made(row.builder)
    assert (made.preprocessing, made.size, made.smallest) == (row.preprocessing, row.size, row.smallest)
    with keras.StatelessScope(initialize_variables=False):
        model = getattr(keras.applications, row.builder)(include_top=False, weights=None, input_shape=(row.size, row.size, 3))
        found = [id(backbones.tensor_at(model, cut)) for cut in cut_points(model)]
        known = {id(backbones.tensor_at(model, cut)) for cut in row.cuts}
    assert len(set(found) & known) >= len(found) - 1


def test_suffix_of_prefix_equals_the_backbone_at_every_cut_point(mobilenet: Backbone) -> None:
    model = backbones.build(mobilenet, 32)
    weights.load(model, mobilenet, "random", 0, Silent())
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    expected = np.asarray(model(keras.applications.mobilenet.preprocess_input(images.copy()), training=False))
    pretrained = Pretrained(mobilenet, model, "random", "", 32, "float32")
    for cut in mobilenet.cuts[:-1]:
        below = backbones.prefix(model, mobilenet, cut)(images, training=False)
        head = heads.build(expected.shape[-1], 2, HeadConfig(dense=(4,)), 0)
        received = tunable.build(pretrained, cut, [mobilenet.cuts[-1]], "avg", head, 0).suffix(below, training=False)
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_a_row_is_made_once_and_then_read_without_a_look_at_the_network(
    mobilenet: Backbone, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applications, "_made", lambda builder: mobilenet)
    assert find("keras.applications.MobileNet") == mobilenet
    monkeypatch.setattr(applications, "_made", lambda builder: pytest.fail("made again"))
    monkeypatch.setattr(applications, "import_tensorflow_quietly", lambda: pytest.fail("TensorFlow"))
    assert find("keras.applications.mobilenet") == mobilenet
    (stored,) = (cache_folder / "applications").iterdir()
    stored.write_text("{")  # damaged: made again
    monkeypatch.setattr(applications, "_made", lambda builder: replace(mobilenet, size=96))
    monkeypatch.setattr(applications, "import_tensorflow_quietly", lambda: None)
    assert find("keras.applications.mobilenet").size == 96


def test_an_unknown_network_of_keras_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"network of keras.applications. Did you mean 'ResNet101'\? Expected one of: .*'resnet11'"):
        find("keras.applications.ResNet11")


@pytest.mark.parametrize(
    "name, kind, expected",
    [("conv2d_5", "Conv2D", True), ("re_lu", "ReLU", True), ("add_12", "Add", True), ("batch_normalization", "BatchNormalization", True),
     ("block1_conv1", "Conv2D", False), ("conv2d_block", "Conv2D", False)],
)  # fmt: skip
def test_names_that_keras_gives_are_known(name: str, kind: str, expected: bool) -> None:
    assert named_by_keras(name, kind) is expected


@pytest.mark.parametrize(
    "layer", [keras.layers.ReLU, keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Add, keras.layers.GlobalMaxPooling2D]
)
def test_they_are_those_of_keras_itself(layer: type[keras.layers.Layer]) -> None:
    made = layer(1, 1) if layer is keras.layers.Conv2D else layer(1) if layer is keras.layers.DepthwiseConv2D else layer()
    assert named_by_keras(made.name, layer.__name__)
