"""A classifier taken apart is the same classifier: maps, vector and logits in a row give its probabilities."""

import gc
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from transfer.config import HeadConfig, NetworkConfig
from transfer.errors import TransferError
from transfer.models import backbones, heads, joined, scratch, tunable, weights, whole
from transfer.models.parts import embedding, take_apart, vector_of
from transfer.models.pretrained import Pretrained
from transfer.models.registry import BACKBONES, SCRATCH
from transfer.system.progress import Silent

HEAD = HeadConfig(dense=(5,), dropout=0.2)


@pytest.fixture(scope="module", autouse=True)
def release() -> Iterator[None]:
    yield
    keras.utils.clear_session()
    gc.collect()


def pretrained(name: str) -> Pretrained:
    backbone = BACKBONES[name]
    size = max(backbone.smallest, 48)
    model = backbones.build(backbone, size)
    weights.load(model, backbone, "random", 0, Silent())
    return Pretrained(backbone, model, "random", "", size, "float32")


def images(model: keras.Model) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, *model.input_shape[1:])).astype(np.float32)


def require_same(classifier: keras.Model, shape: tuple[int, int, int]) -> None:
    given = images(classifier)
    parts = take_apart(classifier)
    maps = parts.maps(given)
    vector = parts.vector(maps)
    assert len(maps) == parts.pooled == 1
    assert parts.shape == tuple(maps[0].shape[1:]) == shape
    received = tf.nn.softmax(tf.cast(parts.logits(vector), tf.float32))
    np.testing.assert_allclose(received, classifier(given, training=False), atol=1e-5)
    rows = np.asarray(parts.embedding(maps, vector))
    assert rows.dtype == np.float32 and rows.shape[1] <= 4096
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(("name", "cut"), [("vgg16", "block3_pool"), ("inception_v3", "mixed0"), ("mobilenet_v2", "top")])
@pytest.mark.parametrize("pooling", ["avg", "max", "flatten"])
def test_a_joined_backbone(name: str, cut: str, pooling: str) -> None:
    network = pretrained(name)
    cut = network.backbone.cut(cut).name
    height, width, channels = network.shape(cut)
    head = heads.build(channels * (height * width if pooling == "flatten" else 1), 4, HEAD, 0)
    require_same(joined.join(network, [cut], pooling, head, 1.7), (height, width, channels))


@pytest.mark.parametrize("boundary", ["block2_pool", None])
def test_a_fine_tuned_backbone_and_its_trained_part(boundary: str | None) -> None:
    network = pretrained("vgg16")
    place = network.backbone.boundary(boundary) if boundary else None
    head = heads.build(256, 4, HEAD, 0)
    tuned = tunable.build(network, place, [network.backbone.cut("block3_pool")], "avg", head, 0).model
    classifier = joined.join_tuned(network, place, tuned, 0.5)
    require_same(classifier, (6, 6, 256))
    rows = np.random.default_rng(1).uniform(0, 9, (2, *tuned.input_shape[1:])).astype(np.float32)
    np.testing.assert_allclose(head(vector_of(tuned)(rows), training=False), tuned(rows, training=False), atol=1e-5)


OPTIONS = {
    "lenet": NetworkConfig(pooling="blur"),
    "alexnet": NetworkConfig(filters=(4, 6, 8, 6, 6), dense=(16, 8)),
    "cifar": NetworkConfig(filters=(4,)),
    "tiny_vgg": NetworkConfig(filters=(4, 6), dense=(8,), normalization="batch", color="grey"),
    "mlp": NetworkConfig(dense=(8,)),
}
SHAPES = {"lenet": (32, (5, 5, 16)), "alexnet": (67, (1, 1, 6)), "cifar": (16, None), "tiny_vgg": (16, None), "mlp": (8, (8, 8, 3))}


@pytest.mark.parametrize("name", SCRATCH)
def test_a_network_from_scratch_also_read_back_from_its_file(name: str, tmp_path: Path) -> None:
    size, shape = SHAPES[name]
    network = scratch.build(SCRATCH[name], size, 3, 127.0, 4900.0, 0, OPTIONS[name], "float32")
    joined.from_scratch(network, 2.0).save(tmp_path / "model.keras")
    read = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    require_same(read, shape or take_apart(read).shape)


def test_a_backbone_trained_as_a_whole() -> None:
    network = whole.build(BACKBONES["mobilenet_v2"], "block_2_add", 32, 3, HEAD, 0)
    require_same(joined.from_scratch(network), (8, 8, 24))


def test_a_long_vector_is_averaged_over_squares_of_places_until_it_fits() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 7, 7, 512)).astype(np.float32)
    rows = np.asarray(embedding(maps.reshape(2, -1), (7, 7, 512)))
    assert rows.shape == (2, 3 * 3 * 512) or rows.shape == (2, 2 * 2 * 512)
    corner = maps[:, :4, :4] if rows.shape[1] == 2048 else maps[:, :3, :3]
    expected = corner.mean((1, 2))
    np.testing.assert_allclose(rows[0, :512] / rows[0, 0], expected[0] / expected[0, 0], rtol=1e-3)


def test_a_short_vector_stays_as_it_is_but_for_its_length() -> None:
    np.testing.assert_allclose(embedding(np.array([[3.0, 4.0]], np.float32), (1, 1, 2)), [[0.6, 0.8]], rtol=1e-6)


def test_a_vector_of_zeros_has_no_direction_and_no_error() -> None:
    np.testing.assert_array_equal(embedding(np.zeros((1, 3), np.float32), (1, 1, 3)), [[0, 0, 0]])


def test_a_model_without_maps_is_a_clear_error() -> None:
    flat = keras.Input((4, 4, 3))
    with pytest.raises(TransferError, match="turns maps into a vector"):
        take_apart(keras.Model(flat, keras.layers.Conv2D(2, 1)(flat)))
