"""Suffix and head as one network: it computes what the whole did, trains copies, and keeps the statistics of batch normalisation."""

import functools
from collections.abc import Iterator

import keras
import numpy as np
import pytest

from transfer.config import HeadConfig
from transfer.models import backbones, heads, tunable
from transfer.models.frozen_pass import FrozenPass
from transfer.models.pretrained import FeatureSpec, Pretrained
from transfer.models.registry import BACKBONES
from transfer.system.progress import Silent

CLASSES = 3
HEAD = HeadConfig(dense=(4,), dropout=0.0, l2=0.0)
NORMALISED = "mobilenet_v2"


@functools.cache
def loaded(name: str, precision: str) -> Pretrained:
    """Training leaves it as it is (tested below), so each test may have the same."""
    return Pretrained.load(BACKBONES[name], "random", BACKBONES[name].smallest, precision, 0, Silent())


@pytest.fixture(scope="module", autouse=True)
def release() -> Iterator[None]:
    """Give back the memory of the networks when the last test of this file is done."""
    yield
    loaded.cache_clear()


def made(name: str, boundary: str | None, precision: str = "float32", l2: float = 0.0) -> tuple[Pretrained, tunable.Tunable]:
    backbone = BACKBONES[name]
    pretrained = loaded(name, precision)
    head = heads.build(pretrained.shape(backbone.cut("top").name)[2], CLASSES, HEAD, 0)
    place = backbone.boundary(boundary) if boundary else None
    return pretrained, tunable.build(pretrained, place, [backbone.cut("top")], "avg", head, 0, l2)


def random_images(pretrained: Pretrained) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, pretrained.size, pretrained.size, 3)).astype(np.uint8)


def trained(model: keras.Model, rows: np.ndarray) -> None:
    model.compile(keras.optimizers.SGD(0.01), keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    model.fit(rows, np.eye(CLASSES, dtype=np.float32)[: len(rows)], epochs=1, verbose=0)


@pytest.mark.parametrize("name", ["vgg16", NORMALISED])
def test_before_training_it_computes_what_backbone_and_head_do(name: str) -> None:
    backbone = BACKBONES[name]
    cut = backbone.cuts[-2]
    pretrained, tuned = made(name, cut.name)
    images = random_images(pretrained)
    features = backbones.prefix(pretrained.model, backbone, backbone.cut("top"))(images.astype(np.float32), training=False)
    expected = np.asarray(tuned.model.get_layer("head")(heads.pool(features, "avg")))
    maps = backbones.prefix(pretrained.model, backbone, cut)(images.astype(np.float32), training=False)
    np.testing.assert_allclose(np.asarray(tuned.model(maps, training=False)), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_the_boundary_may_be_one_of_the_cut_points() -> None:
    backbone, pretrained = BACKBONES["vgg16"], loaded("vgg16", "float32")
    cuts = [backbone.cut("block4_pool"), backbone.cut("block5_pool")]
    head = heads.build(4 * 512, CLASSES, HEAD, 0)
    tuned = tunable.build(pretrained, backbone.boundary("block5_conv1"), cuts, "avg+max", head, 0)
    images = random_images(pretrained).astype(np.float32)
    lower, upper = (backbones.prefix(pretrained.model, backbone, cut)(images, training=False) for cut in cuts)
    expected = np.asarray(head(heads.pool_all([lower, upper], "avg+max")))
    np.testing.assert_allclose(np.asarray(tuned.model(lower, training=False)), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert len(tuned.suffix.trainable_variables) == 6


def test_with_the_whole_backbone_it_starts_from_images() -> None:
    pretrained, tuned = made("vgg16", "all")
    assert tuned.model.input_shape == (None, 32, 32, 3)
    assert len(tuned.suffix.trainable_variables) == len(pretrained.model.variables) == 26


@pytest.mark.parametrize("boundary", ["block5_conv1", "block5_conv3", "block4_pool"])
def test_the_layers_above_the_boundary_train_and_no_others(boundary: str) -> None:
    _, tuned = made("vgg16", boundary)
    first = {"block5_conv1": 1, "block5_conv3": 3, "block4_pool": 1}[boundary]
    names = [f"block5_conv{number}/{part}" for number in range(first, 4) for part in ("kernel", "bias")]
    head = [f"{layer}/{part}" for layer in ("dense_1", "logits") for part in ("kernel", "bias")]
    assert ["/".join(variable.path.split("/")[-2:]) for variable in tuned.model.trainable_variables] == [*names, *head]


def test_training_changes_copies_and_leaves_the_pretrained_weights() -> None:
    pretrained, tuned = made("vgg16", "block5_conv1")
    before = [np.asarray(variable).copy() for variable in pretrained.model.variables]
    copies = [np.asarray(variable).copy() for variable in tuned.suffix.variables]
    trained(tuned.model, np.random.default_rng(0).normal(size=(2, 2, 2, 512)).astype(np.float32))
    assert all(np.array_equal(a, np.asarray(b)) for a, b in zip(before, pretrained.model.variables, strict=True))
    assert not any(np.array_equal(a, np.asarray(b)) for a, b in zip(copies, tuned.suffix.variables, strict=True))


@pytest.mark.parametrize("boundary", ["block_12_add", "all"])
def test_batch_normalisation_stays_as_it_was_pretrained(boundary: str) -> None:
    pretrained, tuned = made(NORMALISED, boundary)
    layers = [layer for layer in tuned.suffix.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = [np.asarray(variable).copy() for layer in layers for variable in layer.variables]
    shape = tuned.model.input_shape[1:]
    rows = random_images(pretrained) if boundary == "all" else np.random.default_rng(0).normal(size=(2, *shape))
    trained(tuned.model, rows.astype(np.float32))
    after = [np.asarray(variable) for layer in layers for variable in layer.variables]
    assert len(after) == 4 * len(layers) > 0 and all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_batch_normalisation_computes_with_its_own_statistics_while_the_rest_trains() -> None:
    _, tuned = made(NORMALISED, "block_12_add")
    rows = np.random.default_rng(0).normal(size=(2, *tuned.model.input_shape[1:])).astype(np.float32)
    np.testing.assert_allclose(np.asarray(tuned.suffix(rows, training=True)), np.asarray(tuned.suffix(rows, training=False)), rtol=1e-5)


def test_dropout_inside_a_backbone_is_the_same_in_every_training() -> None:
    rows = np.random.default_rng(0).normal(size=(2, 4, 4, 48)).astype(np.float32)
    once, again = (np.asarray(made("efficientnet_v2_b0", "block3b_add")[1].suffix(rows, training=True)) for _ in range(2))
    assert np.array_equal(once, again)


def test_each_layer_learns_more_slowly_than_the_one_above() -> None:
    _, tuned = made("vgg16", "block5_conv1")
    assert tunable.rates(tuned, 0.5) == [0.125, 0.125, 0.25, 0.25, 0.5, 0.5, 1, 1, 1, 1]
    assert set(tunable.rates(tuned, 1.0)) == {1.0}


@pytest.mark.parametrize("name", ["vgg16", NORMALISED])
def test_the_penalty_is_that_of_the_kernels_of_the_suffix(name: str) -> None:
    _, tuned = made(name, BACKBONES[name].cut_names[-2], l2=0.01)
    kernels = [variable for variable in tuned.suffix.trainable_variables if variable.name == "kernel"]
    assert kernels
    expected = 0.01 * sum(float((np.asarray(kernel) ** 2).sum()) for kernel in kernels)
    assert float(sum(tuned.suffix.losses)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("precision", "stored"), [("float32", "float16"), ("bfloat16", "bfloat16")])
def test_maps_for_a_suffix_are_stored_in_16_bits_close_to_what_was_computed(precision: str, stored: str) -> None:
    pretrained, tuned = made("vgg16", "block3_conv2", precision)
    images = random_images(pretrained)
    (maps,) = FrozenPass(pretrained, [FeatureSpec("block3_conv1", "map")], 2)(images)
    assert maps.dtype == stored and maps.shape == (2, 8 * 8 * 256) and pretrained.shape("block3_conv1") == (8, 8, 256)
    place = pretrained.backbone.place("block3_conv1")
    exact = np.asarray(backbones.prefix(pretrained.model, pretrained.backbone, place)(images.astype(np.float32)), np.float32)
    tolerance = 1e-3 if precision == "float32" else 2e-2  # bfloat16 sums in another order in another graph
    np.testing.assert_allclose(maps.astype(np.float32).reshape(exact.shape), exact, atol=tolerance * np.abs(exact).max())
    assert keras.backend.standardize_dtype(tuned.model.input.dtype) == precision
    assert keras.backend.standardize_dtype(tuned.model.output.dtype) == "float32"


def test_what_float16_cannot_hold_stays_at_its_end() -> None:
    pretrained, _ = made("vgg16", "block5_conv1")
    pretrained.model.get_layer("block1_conv1").bias.assign(np.full(64, 1e6, np.float32))
    (maps,) = FrozenPass(pretrained, [FeatureSpec("block1_conv1", "map")], 2)(random_images(pretrained))
    assert np.isfinite(maps).all() and maps.max() == np.finfo(np.float16).max
