"""Looking inside a network: its first filters in red, green, blue; layers along it; activations as Keras computes them."""

import keras
import numpy as np
import pytest

from transfer.config import HeadConfig, NetworkConfig
from transfer.errors import ConfigError
from transfer.models import joined, looking, scratch, whole
from transfer.models.registry import BACKBONES, SCRATCH


def network(name: str, size: int, **options: object) -> keras.Model:
    built = scratch.build(SCRATCH[name], size, 3, 127.5, 4000.0, 0, NetworkConfig(**options))  # type: ignore[arg-type]
    return joined.from_scratch(built)


def backbone(name: str, cut: str, size: int) -> keras.Model:
    return joined.from_scratch(whole.assemble(BACKBONES[name], cut, size, 3, HeadConfig(dense=()), 0))


def images(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "size", "first", "last", "shape"),
    [
        ("lenet", 32, "c1", "s4", (6, 5, 5, 1)),
        ("alexnet", 80, "conv1", "pool2", (64, 11, 11, 3)),
        ("cifar", 16, "conv1", "pool1", (12, 3, 3, 3)),
        ("tiny_vgg", 24, "block1_conv1", "block2_pool", (10, 3, 3, 3)),
    ],
)
def test_networks_from_scratch(name: str, size: int, first: str, last: str, shape: tuple[int, ...]) -> None:
    model = network(name, size)
    filters, layers = looking.first_filters(model), looking.along(model)
    assert filters is not None
    assert (filters.layer, filters.kernels.shape, filters.whole) == (first, shape, False)
    assert layers[0] == first
    shapes = looking.map_layers(model)
    spatial = [layer for layer in shapes if max(shapes[layer][:2]) > 1]
    assert layers[-1] == spatial[-1]
    assert len(layers) == 3


@pytest.mark.parametrize(
    ("name", "cut", "size", "layers"),
    [
        ("vgg16", "top", 64, ["block1_conv1", "block3_conv3", "block5_pool"]),
        ("vgg16", "block2_pool", 32, ["block1_conv1", "block1_pool", "block2_pool"]),
        ("inception_v3", "mixed0", 75, ["conv2d", "activation_2", "mixed0"]),
    ],
)
def test_backbones_cut_anywhere(name: str, cut: str, size: int, layers: list[str]) -> None:
    keras.backend.clear_session()
    assert looking.along(backbone(name, cut, size)) == layers


def test_red_is_red_also_where_a_backbone_takes_blue_first() -> None:
    model = backbone("vgg16", "block1_pool", 32)
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 64)).astype(np.float32)
    model.get_layer("vgg16").get_layer("trunk").get_layer("block1_conv1").kernel.assign(kernel)
    filters = looking.first_filters(model)
    assert filters is not None
    np.testing.assert_array_equal(filters.kernels, np.moveaxis(kernel[:, :, ::-1], 3, 0))


def test_colours_keep_their_order_where_the_network_takes_red_first() -> None:
    model = network("cifar", 16)
    filters = looking.first_filters(model)
    assert filters is not None
    kernel = next(layer for layer in model._flatten_layers() if layer.name == "conv1").kernel.numpy()
    np.testing.assert_array_equal(filters.kernels, np.moveaxis(kernel, 3, 0))


def test_units_of_a_dense_network_are_images_as_large_as_what_they_see() -> None:
    model = network("mlp", 12, dense=(7,))
    filters = looking.first_filters(model)
    assert filters is not None
    assert (filters.layer, filters.kernels.shape, filters.whole) == ("fc1", (7, 12, 12, 3), True)
    kernel = next(layer for layer in model._flatten_layers() if layer.name == "fc1").kernel.numpy()
    np.testing.assert_array_equal(filters.kernels[2].ravel(), kernel[:, 2])
    assert looking.along(model) == []


def test_a_locally_connected_network_has_maps_but_no_filters() -> None:
    model = network("cifar", 16, locally_connected=True)
    assert looking.first_filters(model) is None
    assert looking.along(model)[0] == "conv1"


def test_activations_are_what_keras_computes() -> None:
    model = backbone("vgg16", "block2_pool", 32)
    trunk = model.get_layer("vgg16").get_layer("trunk")
    preprocessed = images(32)[..., ::-1] - np.array([103.939, 116.779, 123.68], np.float32)
    expected = keras.Model(trunk.input, trunk.get_layer("block1_conv2").output).predict_on_batch(preprocessed)
    found = looking.activations(model, images(32), ["block2_pool", "block1_conv2"])
    assert list(found) == ["block2_pool", "block1_conv2"]
    np.testing.assert_allclose(found["block1_conv2"], expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found["block2_pool"], trunk.predict_on_batch(preprocessed), rtol=1e-4, atol=1e-3)


def test_batch_normalisation_and_dropout_do_not_train_while_looking() -> None:
    model = network("lenet", 16, normalization="batch", dropout=0.5)
    before = [weight.numpy() for weight in model.weights]
    once, twice = (looking.activations(model, images(16), ["s4"])["s4"] for _ in range(2))
    np.testing.assert_array_equal(once, twice)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_an_unknown_layer_is_refused_with_the_nearest_one() -> None:
    model = network("lenet", 16)
    looking.require(model, ["s2", "c3"])
    with pytest.raises(ConfigError, match=r"Did you mean 's4'\?.*Received --layer 's44'"):
        looking.require(model, ["s44"])


def test_a_layer_without_maps_is_refused() -> None:
    with pytest.raises(ConfigError, match="gives maps"):
        looking.require(network("lenet", 16), ["logits"])
