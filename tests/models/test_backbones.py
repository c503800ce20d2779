"""A backbone cut in two: prefix and suffix make the backbone again, after Keras's own preprocessing, and nothing trains."""

import functools
import gc
from collections.abc import Iterator

import keras
import numpy as np
import pytest

from transfer.config import HeadConfig
from transfer.errors import ConfigError
from transfer.models import backbones, heads, joined, tunable, weights
from transfer.models.pretrained import Pretrained
from transfer.models.registry import BACKBONES, Backbone
from transfer.system.progress import Silent

HEAD = HeadConfig(dense=(4,), dropout=0.0)

PREPROCESSING = {
    "vgg16": keras.applications.vgg16,
    "inception_v3": keras.applications.inception_v3,
    "vgg19": keras.applications.vgg19,
    "resnet50_v2": keras.applications.resnet_v2,
    "xception": keras.applications.xception,
    "densenet121": keras.applications.densenet,
    "mobilenet_v2": keras.applications.mobilenet_v2,
    "efficientnet_v2_b0": keras.applications.efficientnet_v2,
    "convnext_tiny": keras.applications.convnext,
}

# Channels at each cut, from the shallowest to the top, as published in the papers that the table names.
CHANNELS = {
    "vgg16": [64, 128, 256, 512, 512],
    "inception_v3": [256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048, 2048],
    "vgg19": [64, 128, 256, 512, 512],
    "resnet50_v2": [64, 256, 512, 1024, 2048],
    "xception": [64, 128, 256, 728, 728, 728, 1024, 2048],
    "densenet121": [64, 128, 256, 512, 1024],
    "mobilenet_v2": [24, 32, 64, 96, 160, 1280],
    "efficientnet_v2_b0": [16, 32, 48, 96, 112, 192, 1280],
    "convnext_tiny": [96, 192, 384, 768],
}


@functools.cache
def built(name: str) -> keras.Model:
    """Each backbone is built once for all tests, at its smallest size, and with random weights."""
    backbone = BACKBONES[name]
    model = backbones.build(backbone, backbone.smallest)
    weights.load(model, backbone, "random", 0, Silent())
    return model


@pytest.fixture(scope="module", autouse=True)
def release() -> Iterator[None]:
    """Give back the memory of nine networks when the last test of this file is done."""
    yield
    built.cache_clear()
    keras.utils.clear_session()
    gc.collect()


def random_images(backbone: Backbone) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, backbone.smallest, backbone.smallest, 3)).astype(np.float32)


def prepared(name: str, images: np.ndarray) -> np.ndarray:
    return PREPROCESSING[name].preprocess_input(images.copy())


def pretrained(name: str) -> Pretrained:
    return Pretrained(BACKBONES[name], built(name), "random", "", BACKBONES[name].smallest, "float32")


@pytest.mark.parametrize("name", BACKBONES)
def test_the_suffix_of_the_prefix_equals_the_backbone_at_every_cut_point(name: str) -> None:
    """From each cut point to the next one, as fine-tuning and the joined model build them, so that any two make the whole."""
    backbone, model = BACKBONES[name], built(name)
    images = random_images(backbone)
    outputs = [backbones.tensor_at(model, cut) for cut in backbone.cuts]
    expected = [np.asarray(maps) for maps in keras.Model(model.input, outputs)(prepared(name, images), training=False)]
    assert outputs[-1] is model.output and expected[-1].std() > 1e-2  # random weights keep the signal
    received = backbones.prefix(model, backbone, backbone.cuts[0])(images, training=False)
    for lower, upper, maps in zip(backbone.cuts, backbone.cuts[1:], expected[1:], strict=False):
        head = heads.build(maps.shape[-1], 2, HEAD, 0)
        received = tunable.build(pretrained(name), lower, [upper], "avg", head, 0).suffix(received, training=False)
        np.testing.assert_allclose(received, maps, rtol=1e-4, atol=1e-5 * np.abs(maps).max())


@pytest.mark.parametrize("name", BACKBONES)
def test_the_prefix_prepares_images_as_keras_does(name: str) -> None:
    backbone, model = BACKBONES[name], built(name)
    cut = backbone.cuts[0]
    images = random_images(backbone)
    below = keras.Model(model.input, backbones.tensor_at(model, cut))
    expected = np.asarray(below(prepared(name, images), training=False))
    received = np.asarray(backbones.prefix(model, backbone, cut)(images, training=False))
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", BACKBONES)
def test_the_maps_have_the_published_channels_and_get_no_larger(name: str) -> None:
    backbone, model = BACKBONES[name], built(name)
    shapes = [backbones.prefix(model, backbone, cut).output_shape for cut in backbone.cuts]
    assert [shape[-1] for shape in shapes] == CHANNELS[name]
    sides = [backbone.smallest, *(shape[1] for shape in shapes)]
    assert sides == sorted(sides, reverse=True) and all(shape[1] == shape[2] for shape in shapes)
    assert shapes[-1] == model.output_shape


@pytest.mark.parametrize("name", BACKBONES)
def test_nothing_trains_in_the_backbone_and_its_prefix(name: str) -> None:
    backbone, model = BACKBONES[name], built(name)
    cut = backbone.cuts[1]
    for part in (model, backbones.prefix(model, backbone, cut)):
        assert part.weights and not part.trainable_weights


@pytest.mark.parametrize("name", ["mobilenet_v2", "densenet121"])
def test_batch_normalisation_stays_in_inference_mode_when_the_joined_model_is_called_for_training(name: str) -> None:
    backbone, model = BACKBONES[name], built(name)
    head = heads.build(CHANNELS[name][1], 3, HEAD, 0)
    classifier = joined.join(pretrained(name), [backbone.cut_names[1]], "avg", head)
    before = model.get_weights()
    as_served = np.asarray(classifier(random_images(backbone), training=False))
    as_trained = np.asarray(classifier(random_images(backbone), training=True))
    assert any("moving_mean" in weight.path for weight in model.weights)
    assert np.array_equal(as_served, as_trained)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


def test_fitting_the_joined_model_changes_the_head_alone() -> None:
    backbone, model = BACKBONES["mobilenet_v2"], built("mobilenet_v2")
    head = heads.build(CHANNELS["mobilenet_v2"][0], 2, HEAD, 0)
    classifier = joined.join(pretrained("mobilenet_v2"), [backbone.cut_names[0]], "avg", head)
    before, head_before = model.get_weights(), head.get_weights()
    classifier.compile("adam", "sparse_categorical_crossentropy")
    classifier.fit(random_images(backbone), np.array([0, 1]), epochs=1, verbose=0)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    assert any(not np.array_equal(old, new) for old, new in zip(head_before, head.get_weights(), strict=True))
    counted = joined.require_frozen(classifier, head)
    assert counted["trained"] == head.count_params() and counted["total"] == classifier.count_params()


@pytest.mark.parametrize(
    ("name", "typo", "meant"),
    [("vgg16", "block4_poll", "block4_pool"), ("inception_v3", "mixde7", "mixed7"), ("resnet50_v2", "post_rellu", "post_relu")],
)
def test_a_misspelt_cut_point_names_the_nearest_and_all_valid_ones(name: str, typo: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BACKBONES[name].cut(typo)
    text = str(caught.value)
    assert f"Did you mean {meant!r}?" in text and f"Received {typo!r}" in text
    assert all(valid in text for valid in [*BACKBONES[name].cut_names, "top", "auto"])


@pytest.mark.parametrize("name", BACKBONES)
def test_images_below_the_smallest_side_are_refused(name: str) -> None:
    backbone = BACKBONES[name]
    with pytest.raises(ConfigError, match=f"{name} needs images of at least {backbone.smallest} pixels.*={backbone.smallest - 1}"):
        backbones.build(backbone, backbone.smallest - 1)
