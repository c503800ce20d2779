"""Backbones of the user: kept as data, the same whatever Keras calls their layers, cut where all passes through, or clearly refused."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.models.own.networks import Counting, OverTheBatch, Scaled, Unregistered, network, with_layer
from transfer.config import HeadConfig
from transfer.errors import ConfigError
from transfer.models import backbones, heads, tunable
from transfer.models.own.backbone import adopt
from transfer.models.pretrained import Pretrained
from transfer.models.registry import find
from transfer.system.progress import Silent

IMAGES = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)


def test_a_model_is_found_again_by_its_name_with_its_weights_and_preprocessing() -> None:
    model = network()
    row = adopt(model, "tf").row
    assert row.name.startswith("own:mine:") and find(row.name) == row
    loaded = Pretrained.load(row, "own", 32, "float32", 0, Silent())
    np.testing.assert_allclose(loaded.model(IMAGES, training=False), model(IMAGES / 127.5 - 1, training=False), rtol=1e-4, atol=1e-5)
    assert not loaded.model.trainable_weights


def test_the_same_model_has_the_same_name_whatever_was_built_before() -> None:
    keras.utils.set_random_seed(1)
    first = adopt(network(), "none").row
    keras.layers.ReLU(), keras.layers.Conv2D(1, 1)
    keras.utils.set_random_seed(1)
    again = adopt(network(), "none").row
    other = adopt(network(), "none").row
    assert first == again
    assert other.architecture == first.architecture and other.name != first.name  # other weights
    assert adopt(network(), "tf").row.name not in (first.name, other.name)


def test_suffix_of_prefix_equals_the_backbone_at_every_cut_point() -> None:
    row = adopt(network(), "caffe").row
    assert [cut.name for cut in row.cuts] == ["low", "middle", "high"]
    pretrained = Pretrained.load(row, "own", 32, "float32", 0, Silent())
    expected = np.asarray(pretrained.model(IMAGES, training=False))
    for cut in row.cuts[:-1]:
        below = backbones.prefix(pretrained.model, row, cut)(IMAGES, training=False)
        tuned = tunable.build(pretrained, cut, [row.cut("top")], "avg", heads.build(6, 2, HeadConfig(dense=()), 0), 0)
        np.testing.assert_allclose(tuned.suffix(below, training=False), expected, rtol=1e-4, atol=1e-4)


def test_cut_points_are_named_as_in_the_model_and_may_be_sums_without_a_layer() -> None:
    model = network()
    total = next(each.name for each in model.operations if type(each).__name__ == "Add")
    adopted = adopt(model, "none", cuts=["middle", total])
    assert [cut.name for cut in adopted.row.cuts] == [adopted.names[total], "middle", "high"]
    loaded = Pretrained.load(adopted.row, "own", 32, "float32", 0, Silent())
    assert loaded.shape(adopted.names[total]) == (16, 16, 4)


def test_a_single_chain_can_be_trained_from_any_layer() -> None:
    row = adopt(with_layer(keras.layers.ReLU(name="last")), "none").row
    assert row.layers == ("conv2d_1", "last")
    assert adopt(network(), "none").row.layers == ()


def test_a_function_builds_it_and_a_model_may_leave_the_size_open() -> None:
    assert adopt(lambda: network(24), "none").row.size == 24
    assert adopt(lambda side: network(side), "none", size=40).row.size == 40
    row = adopt(network(None), "none").row
    assert (row.size, row.smallest, row.only_size) == (224, 8, False)
    assert backbones.build(row, 48).output_shape == (None, 12, 12, 6)
    assert adopt(network(48), "none").row.only_size


def test_preprocessing_is_a_word_a_layer_or_a_function_and_becomes_part_of_it() -> None:
    model = network()
    expected = model(IMAGES / 255, training=False)
    for given in (keras.layers.Rescaling(1 / 255), keras.Sequential([keras.layers.Rescaling(1 / 255)]), lambda images: images / 255):
        row = adopt(model, given).row
        loaded = Pretrained.load(row, "own", 32, "float32", 0, Silent())
        np.testing.assert_allclose(loaded.model(IMAGES, training=False), expected, rtol=1e-3, atol=1e-4)
    vgg = adopt(network(), keras.applications.vgg16.preprocess_input).row
    assert Pretrained.load(vgg, "own", 32, "float32", 0, Silent()).model(IMAGES).shape == (2, 8, 8, 6)


def test_what_comes_before_the_first_weights_is_computed_in_32_bits() -> None:
    row = adopt(network(), "torch").row
    policies = {layer.name: layer.compute_dtype for layer in backbones.build(row, 32, "bfloat16").layers}
    assert policies["preprocess"] == "float32" and policies["high"] == "bfloat16"


def test_tokens_become_a_map_without_the_class_token() -> None:
    images = keras.Input((16, 16, 3))
    patches = keras.layers.Reshape((4, 5))(keras.layers.Conv2D(5, 8, strides=8)(images))
    row = adopt(keras.Model(images, patches, name="plain"), "none").row
    assert backbones.build(row, 16).output_shape == (None, 2, 2, 5)
    with_class = keras.Model(images, keras.layers.ZeroPadding1D((1, 0))(patches), name="vit")
    adopted = adopt(with_class, "none").row
    found = Pretrained.load(adopted, "own", 16, "float32", 0, Silent()).model(IMAGES[:, :16, :16])
    np.testing.assert_allclose(found, np.asarray(with_class(IMAGES[:, :16, :16]))[:, 1:].reshape(2, 2, 2, 5), rtol=1e-4, atol=1e-4)


def test_a_registered_layer_is_found_again(cache_folder: Path) -> None:
    row = adopt(with_layer(Scaled()), "none").row
    assert backbones.build(find(row.name), 16).output_shape == (None, 16, 16, 3)


def test_the_users_model_stays_as_it_is() -> None:
    model = network()
    before = [(layer.name, len(layer._inbound_nodes), layer.trainable) for layer in model.layers]
    adopt(model, "tf")
    assert [(layer.name, len(layer._inbound_nodes), layer.trainable) for layer in model.layers] == before


def _two_inputs() -> keras.Model:
    one, other = keras.Input((16, 16, 3)), keras.Input((16, 16, 3))
    return keras.Model([one, other], keras.layers.Add()([one, other]))


def _two_outputs() -> keras.Model:
    images = keras.Input((16, 16, 3))
    return keras.Model(images, [keras.layers.ReLU()(images), keras.layers.ReLU()(images)])


def _of_images(*shape: int) -> keras.Model:
    return keras.Sequential([keras.Input(shape), keras.layers.Conv2D(2, 3)])


def _nan() -> keras.Model:
    model = network()
    layer = model.get_layer("high")
    layer.set_weights([np.full_like(layer.get_weights()[0], np.nan), layer.get_weights()[1]])
    return model


class _Written(keras.Model):
    def call(self, images: Any) -> Any:
        return images


@pytest.mark.parametrize(
    "make, match",
    [
        (_two_inputs, r"expected a model of one input, the images. Received .* with 2 inputs"),
        (_two_outputs, r"expected a model of one output, a feature map. Received .* with 2 outputs"),
        (lambda: with_layer(keras.layers.GlobalAveragePooling2D()), r"include_top=False.*which gives \(None, 3\)"),
        (lambda: _of_images(16, 16, 1), r"takes RGB images.*which takes \(None, 16, 16, 1\)"),
        (lambda: _of_images(16, 24, 3), r"images are square"),
        (lambda: keras.Sequential([keras.Input((24,)), keras.layers.Dense(2)]), r"takes RGB images"),
        (lambda: _Written(), r"has no input yet.*Received _Written"),
        (_nan, r"weights must be finite numbers.*NaN or infinity in 216 of the 216 values of high/kernel"),
        (lambda: with_layer(keras.layers.Lambda(lambda x: x)), r"a Lambda layer holds code.*register_keras_serializable"),
        (lambda: with_layer(Unregistered()), r"would not find the class Unregistered.*register_keras_serializable"),
        (lambda: with_layer(Counting()), r"inference must change nothing in it.*calls changed with training=False"),
        (lambda: with_layer(OverTheBatch()), r"must not depend on the others of its batch"),
        (lambda: lambda: "vgg16", r"a function that returns one. Received <lambda>, which returns str"),
    ],
)  # fmt: skip
def test_what_is_no_backbone_is_refused(make: Callable[[], Any], match: str) -> None:
    with pytest.raises(ConfigError, match=rf"^backbone: .*{match}"):
        adopt(make(), "none")


@pytest.mark.parametrize(
    "given, match",
    [
        (None, r"needs what its weights expect.*Expected one of: caffe, tf, torch, none.*Received None"),
        ("imagenet", r"Received 'imagenet'"),
        (lambda images: np.asarray(images) / 255, r"cannot be computed on Keras tensors"),
        (lambda images: 7, r"expected images .* of it. Received 7"),
        (keras.layers.Lambda(lambda x: x), r"a Lambda layer holds code"),
    ],
)
def test_preprocessing_that_cannot_be_kept_is_refused(given: Any, match: str) -> None:
    with pytest.raises(ConfigError, match=rf"^preprocess: .*{match}"):
        adopt(network(), given)


@pytest.mark.parametrize(
    "cuts, match",
    [
        (["lower"], r"'lower' is no layer of it. Expected layers among: .*low, .*middle"),
        (["low", "low"], r"no cut point may be repeated"),
        (["branch"], r"'branch' is no cut point: not everything passes through its output"),
    ],
)
def test_cuts_must_hold_everything_above_and_be_named_once(cuts: list[str], match: str) -> None:
    images = keras.Input((16, 16, 3))
    low = keras.layers.Conv2D(3, 3, padding="same", name="low")(images)
    total = keras.layers.Add(name="middle")([low, keras.layers.Conv2D(3, 3, padding="same", name="branch")(low)])
    with pytest.raises(ConfigError, match=rf"^cuts: .*{match}"):
        adopt(keras.Model(images, keras.layers.ReLU(name="last")(total), name="mine"), "none", cuts)


@pytest.mark.parametrize("part", ["own:mine:0123456789abcdef", "own:../x:1", "own:"])
def test_a_part_that_this_machine_does_not_have_is_asked_for_by_its_name(part: str) -> None:
    with pytest.raises(ConfigError, match=r"^backbone: .* was given in Python.*Give it again.*backbone=OBJECT"):
        find(part)


def test_sent_to_another_machine_it_needs_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded = Pretrained.load(adopt(network(), "tf").row, "own", 32, "float32", 0, Silent())
    sent = pickle.dumps(loaded)
    monkeypatch.setenv("TRANSFER_HOME", str(tmp_path / "elsewhere"))
    np.testing.assert_array_equal(pickle.loads(sent).model(IMAGES, training=False), loaded.model(IMAGES, training=False))
