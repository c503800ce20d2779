"""A backbone cut in two: prefix and suffix make the backbone again, from the same preprocessing, and nothing trains."""

import functools
import gc
from collections.abc import Iterator

import keras
import numpy as np
import pytest

from transfer.config import HeadConfig
from transfer.errors import ConfigError
from transfer.models import backbones, heads, joined, truncation, weights
from transfer.models.pretrained import Pretrained
from transfer.models.registry import BACKBONES, Backbone
from transfer.system.progress import Silent

HEAD = HeadConfig(dense=(4,), dropout=0.0)
CASES = [(name, cut) for name, backbone in BACKBONES.items() for cut in backbone.cut_names]

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


@functools.cache
def whole(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Preprocessed noise, and what the whole backbone makes of it."""
    inputs = np.random.default_rng(0).normal(size=(2, *built(name).input_shape[1:])).astype(np.float32)
    return inputs, np.asarray(built(name)(inputs, training=False))


@pytest.fixture(scope="module", autouse=True)
def release() -> Iterator[None]:
    """Give back the memory of nine networks when the last test of this file is done."""
    yield
    built.cache_clear()
    whole.cache_clear()
    keras.utils.clear_session()
    gc.collect()


def random_images(backbone: Backbone) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, backbone.smallest, backbone.smallest, 3)).astype(np.float32)


def pretrained(name: str) -> Pretrained:
    return Pretrained(BACKBONES[name], built(name), "random", "", BACKBONES[name].smallest, "float32")


@pytest.mark.parametrize(("name", "cut_name"), CASES)
def test_the_suffix_of_the_prefix_equals_the_backbone(name: str, cut_name: str) -> None:
    cut = BACKBONES[name].cut(cut_name)
    inputs, expected = whole(name)
    features = truncation.prefix(built(name), cut)(inputs, training=False)
    received = np.asarray(truncation.suffix(built(name), cut)(features, training=False))
    assert np.isfinite(expected).all() and expected.std() > 1e-2  # random weights keep the signal
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", BACKBONES)
def test_a_suffix_may_end_below_the_top(name: str) -> None:
    backbone, model = BACKBONES[name], built(name)
    low, middle = backbone.cuts[0], backbone.cuts[len(backbone.cuts) // 2]
    inputs, expected = whole(name)
    between = truncation.suffix(model, low, middle)(truncation.prefix(model, low)(inputs, training=False), training=False)
    received = np.asarray(truncation.suffix(model, middle)(between, training=False))
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_suffix_at_the_top_is_the_identity_in_the_precision_of_the_backbone(precision: str) -> None:
    backbone = BACKBONES["vgg16"]
    model = backbones.build(backbone, 32, precision)
    end = truncation.suffix(model, backbone.cut("top"))
    features = keras.ops.cast(np.random.default_rng(0).normal(size=(2, 1, 1, 512)), precision)
    received = end(features)
    assert keras.backend.standardize_dtype(received.dtype) == precision
    assert np.array_equal(np.asarray(keras.ops.cast(received, "float32")), np.asarray(keras.ops.cast(features, "float32")))


@pytest.mark.parametrize("name", BACKBONES)
def test_from_pixels_prepares_images_as_keras_does(name: str) -> None:
    backbone, model = BACKBONES[name], built(name)
    cut = backbone.cuts[0]
    images = random_images(backbone)
    prepared = PREPROCESSING[name].preprocess_input(images.copy())
    expected = np.asarray(truncation.prefix(model, cut)(prepared, training=False))
    received = np.asarray(truncation.from_pixels(model, backbone, cut)(images, training=False))
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", BACKBONES)
def test_the_maps_have_the_published_channels_and_get_no_larger(name: str) -> None:
    backbone, model = BACKBONES[name], built(name)
    shapes = [truncation.from_pixels(model, backbone, cut).output_shape for cut in backbone.cuts]
    assert [shape[-1] for shape in shapes] == CHANNELS[name]
    sides = [backbone.smallest, *(shape[1] for shape in shapes)]
    assert sides == sorted(sides, reverse=True) and all(shape[1] == shape[2] for shape in shapes)
    assert shapes[-1] == model.output_shape


@pytest.mark.parametrize("name", BACKBONES)
def test_nothing_trains_in_any_part(name: str) -> None:
    backbone, model = BACKBONES[name], built(name)
    cut = backbone.cuts[1]
    for part in (model, truncation.prefix(model, cut), truncation.suffix(model, cut), truncation.from_pixels(model, backbone, cut)):
        assert part.weights and not part.trainable_weights


@pytest.mark.parametrize("name", ["mobilenet_v2", "densenet121"])
def test_batch_normalisation_stays_in_inference_mode_when_the_joined_model_is_called_for_training(name: str) -> None:
    backbone, model = BACKBONES[name], built(name)
    head = heads.build(CHANNELS[name][1], 3, HEAD, 0)
    classifier = joined.join(pretrained(name), backbone.cut_names[1], "avg", head)
    before = model.get_weights()
    as_served = np.asarray(classifier(random_images(backbone), training=False))
    as_trained = np.asarray(classifier(random_images(backbone), training=True))
    assert any("moving_mean" in weight.path for weight in model.weights)
    assert np.array_equal(as_served, as_trained)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


def test_fitting_the_joined_model_changes_the_head_alone() -> None:
    backbone, model = BACKBONES["mobilenet_v2"], built("mobilenet_v2")
    head = heads.build(CHANNELS["mobilenet_v2"][0], 2, HEAD, 0)
    classifier = joined.join(pretrained("mobilenet_v2"), backbone.cut_names[0], "avg", head)
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
