"""The compiled prefix: what the Keras model computes, at many cuts at once, for each image on its own."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from transfer.models import backbones, heads
from transfer.models.frozen_pass import FrozenPass
from transfer.models.pretrained import FeatureSpec, Pretrained
from transfer.models.registry import BACKBONES
from transfer.system.progress import Silent

BATCH = 4
SPECS = [
    FeatureSpec("block1_pool", "max"),
    FeatureSpec("block2_pool", "flatten"),
    FeatureSpec("block2_pool", "avg"),
    FeatureSpec("block5_pool", "avg"),
]


@functools.cache
def pretrained(precision: str = "float32", name: str = "vgg16") -> Pretrained:
    return Pretrained.load(BACKBONES[name], "random", 32, precision, 0, Silent())


@functools.cache
def frozen(precision: str = "float32") -> FrozenPass:
    """One compiled pass for each precision; making one takes most of the time of these tests."""
    return FrozenPass(pretrained(precision), SPECS, BATCH)


def images(count: int = BATCH) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)


def by_keras(loaded: Pretrained, spec: FeatureSpec, images: np.ndarray) -> np.ndarray:
    model = backbones.prefix(loaded.model, loaded.backbone, loaded.backbone.cut(spec.cut))
    features = model(images.astype(np.float32), training=False)
    return np.asarray(tf.cast(heads.pool(features, spec.pooling), tf.float32))


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("number", range(len(SPECS)), ids=[spec.name for spec in SPECS])
def test_in_float32_it_computes_what_the_keras_model_computes(number: int) -> None:
    expected = by_keras(pretrained(), SPECS[number], images())
    received = frozen()(images())[number]
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_with_batch_normalisation_folded_into_the_convolutions_the_same_holds() -> None:
    loaded = pretrained("float32", "mobilenet_v2")
    # Statistics as training leaves them: folding ones and zeros would prove nothing.
    generator = np.random.default_rng(1)
    for weight in loaded.model.weights:
        if len(weight.shape) == 1:
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
    spec = FeatureSpec("block_5_add", "avg")
    (received,) = FrozenPass(loaded, [spec], BATCH)(images())
    expected = by_keras(loaded, spec, images())
    np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("number", range(len(SPECS)), ids=[spec.name for spec in SPECS])
def test_in_bfloat16_the_features_of_each_image_point_the_same_way(number: int) -> None:
    received = frozen("bfloat16")(images())[number]
    exact = frozen()(images())[number]
    assert cosines(received, exact).min() > 0.999
    assert not np.array_equal(received.astype(np.float32), exact), "else it was not computed in 16 bits"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("count", [1, BATCH - 1])
def test_the_padding_of_the_last_batch_has_no_influence(precision: str, count: int) -> None:
    whole, part = frozen(precision)(images()), frozen(precision)(images()[:count])
    for of_whole, of_part in zip(whole, part, strict=True):
        assert len(of_part) == count
        assert of_part.tobytes() == of_whole[:count].tobytes()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("order", [[3, 2, 1, 0], [1, 0, 3, 2], [2, 2, 2, 2]])
def test_the_features_of_an_image_do_not_depend_on_its_place_or_neighbours(precision: str, order: list[int]) -> None:
    straight, moved = frozen(precision)(images()), frozen(precision)(images()[order])
    for a, b in zip(straight, moved, strict=True):
        assert a[order].tobytes() == b.tobytes()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_width_and_dtype_are_those_of_what_comes_out(precision: str) -> None:
    loaded = pretrained(precision)
    for spec, array in zip(SPECS, frozen(precision)(images()), strict=True):
        assert array.shape == (BATCH, loaded.width(spec))
        assert array.dtype == loaded.dtype(spec)


def test_pooled_features_are_stored_in_float32_and_whole_maps_as_they_were_computed() -> None:
    bfloat16 = tf.bfloat16.as_numpy_dtype
    assert [pretrained("bfloat16").dtype(spec) for spec in SPECS] == [np.float32, bfloat16, np.float32, np.float32]
    assert {pretrained("float32").dtype(spec) for spec in SPECS} == {np.dtype(np.float32)}
    assert [pretrained().width(spec) for spec in SPECS] == [64, 8 * 8 * 128, 128, 512]


def test_one_pass_with_several_specs_equals_passes_with_one() -> None:
    together = frozen()(images())
    for spec, expected in zip(SPECS[:2], together, strict=False):
        (alone,) = FrozenPass(pretrained(), [spec], BATCH)(images())
        np.testing.assert_allclose(alone, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_a_batch_may_be_a_tensor() -> None:
    assert frozen()(tf.constant(images()))[2].tobytes() == frozen()(images())[2].tobytes()


def test_the_precision_of_new_layers_is_restored() -> None:
    pretrained("bfloat16")
    import keras

    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("size", "batch", "expected"), [(299, 16, 2), (224, 16, 4), (224, 3, 3), (96, 64, 16), (32, 256, 64), (2000, 8, 2)]
)
def test_a_processor_computes_pieces_that_fit_its_caches(monkeypatch: pytest.MonkeyPatch, size: int, batch: int, expected: int) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert FrozenPass(dataclasses.replace(pretrained(), size=size), SPECS, batch).rows == expected


def test_a_gpu_computes_a_batch_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert FrozenPass(pretrained(), SPECS, 500).rows == 500


def test_pieces_keep_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrozenPass, "rows", BATCH)
    in_pieces = FrozenPass(pretrained(), SPECS, 19)(images(19))
    for start in range(0, 19, BATCH):
        for whole, piece in zip(in_pieces, frozen()(images(19)[start : start + BATCH]), strict=True):
            np.testing.assert_array_equal(whole[start : start + BATCH], piece)
