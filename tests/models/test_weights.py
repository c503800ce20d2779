"""Weights: their digest, random ones from a seed alone, files of three formats; never random ones unless asked for."""

import functools
import hashlib
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from transfer.errors import WeightsError
from transfer.models import backbones, weights
from transfer.models.registry import BACKBONES
from transfer.system.progress import Silent

BACKBONE = BACKBONES["mobilenet_v2"]
SIZE = 32


@functools.cache
def _model() -> keras.Model:
    return backbones.build(BACKBONE, SIZE)


@pytest.fixture
def model() -> keras.Model:
    """One small backbone for all tests, all zeros at the start of each."""
    built = _model()
    built.set_weights([np.zeros(weight.shape, np.float32) for weight in built.weights])
    return built


def load(model: keras.Model, source: str | Path, seed: int = 0) -> str:
    return weights.load(model, BACKBONE, str(source), seed, Silent())


def save(model: keras.Model, path: Path) -> Path:
    """Write a model or its weights in the format of the name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_weights(path) if path.name.endswith(".weights.h5") else model.save(path)
    return path


def with_classifier(model: keras.Model) -> keras.Model:
    pooled = keras.layers.GlobalAveragePooling2D()(model.output)
    return keras.Model(model.input, keras.layers.Dense(3, name="predictions")(pooled))


def nested(model: keras.Model) -> keras.Model:
    layers = [keras.Input((SIZE, SIZE, 3)), model, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    return keras.Sequential(layers)


def test_the_digest_is_of_the_little_endian_float32_bytes_in_order() -> None:
    kernel, bias = np.arange(6).reshape(1, 2, 3), np.array([0.5, -1.0])
    expected = hashlib.sha256(kernel.astype("<f4").tobytes() + bias.astype("<f4").tobytes()).hexdigest()
    assert weights.digest([kernel, bias]) == expected
    assert weights.digest([kernel.astype(">f4"), bias.astype(np.float64)]) == expected
    assert weights.digest([np.asfortranarray(kernel), bias]) == expected, "the order in memory has no influence"
    assert weights.digest([bias, kernel]) != expected


def test_random_weights_are_a_function_of_the_seed(model: keras.Model) -> None:
    first = load(model, "random", 1)
    arrays = model.get_weights()
    assert load(model, "random", 2) != first
    assert load(model, "random", 1) == first == weights.digest(arrays)


def test_random_kernels_have_the_deviation_of_he(model: keras.Model) -> None:
    load(model, "random")
    kernel = model.get_layer("Conv_1").kernel.numpy()
    assert kernel.std() == pytest.approx((2 / kernel.shape[2]) ** 0.5, rel=0.02)
    depthwise = model.get_layer("block_15_depthwise").kernel.numpy()
    assert depthwise.std() == pytest.approx((2 / 9) ** 0.5, rel=0.05), "each output sees 3x3 values of one channel"


def test_random_weights_touch_no_global_random_state(model: keras.Model) -> None:
    def drawn(between: bool) -> tuple[float, float, float]:
        np.random.seed(3)
        random.seed(3)
        tf.random.set_seed(3)
        if between:
            load(model, "random", 7)
        return np.random.random(), random.random(), float(tf.random.uniform([]))

    assert drawn(between=True) == drawn(between=False)


@pytest.mark.parametrize("name", ["mine.weights.h5", "mine.h5", "mine.keras"])
def test_each_file_format_gives_back_the_same_weights(model: keras.Model, tmp_path: Path, name: str) -> None:
    expected = load(model, "random", 5)
    file = save(model, tmp_path / name)
    load(model, "random", 6)
    assert load(model, file) == expected


def test_the_legacy_format_may_hold_weights_alone(model: keras.Model, tmp_path: Path) -> None:
    expected = load(model, "random", 5)
    with h5py.File(save(model, tmp_path / "whole.h5")) as whole, h5py.File(tmp_path / "weights.h5", "w") as alone:
        alone.attrs.update(whole["model_weights"].attrs)
        for name in whole["model_weights"]:
            whole.copy(f"model_weights/{name}", alone)
    load(model, "random", 6)
    assert load(model, tmp_path / "weights.h5") == expected


@pytest.mark.parametrize(("around", "name"), [(with_classifier, "big.keras"), (nested, "big.keras"), (with_classifier, "big.weights.h5")])
def test_a_larger_model_that_contains_the_backbone_gives_its_weights(
    model: keras.Model, tmp_path: Path, around: Callable[[keras.Model], keras.Model], name: str
) -> None:
    expected = load(model, "random", 5)
    file = save(around(model), tmp_path / name)
    load(model, "random", 6)
    assert load(model, file) == expected


@pytest.mark.parametrize("name", ["mine.weights.h5", "mine.h5", "mine.keras"])
def test_a_file_of_another_network_is_one_clear_line(
    model: keras.Model, tmp_path: Path, name: str, recwarn: pytest.WarningsRecorder
) -> None:
    other = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="other")])
    file = save(other, tmp_path / name)
    recwarn.clear()
    _refused(model, file, "does not fit")
    assert not recwarn.list, "Keras's warnings of each missing layer are noise"


@pytest.mark.parametrize("name", ["mine.weights.h5", "mine.h5", "mine.keras"])
@pytest.mark.parametrize("damage", ["empty", "noise", "cut short"])
def test_a_damaged_file_is_one_clear_line(model: keras.Model, tmp_path: Path, name: str, damage: str) -> None:
    file = tmp_path / name
    if damage == "cut short":
        data = save(model, file).read_bytes()
        file.write_bytes(data[: len(data) // 2])
    else:
        file.write_bytes(b"" if damage == "empty" else np.random.default_rng(0).bytes(5000))
    _refused(model, file, "does not fit")


@pytest.mark.parametrize("name", ["absent.h5", "a folder.h5", "~/absent.keras", "Imagenet"])
def test_what_is_no_file_says_what_is_expected(model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a folder.h5").mkdir()
    _refused(model, name, r"expected imagenet, random, or a file \(.weights.h5, .h5, .keras\)")


def test_another_ending_is_refused(model: keras.Model, tmp_path: Path) -> None:
    (tmp_path / "weights.npz").write_bytes(b"")
    _refused(model, tmp_path / "weights.npz", "its name must end in .weights.h5, .h5 or .keras")


def test_a_layer_that_the_file_lacks_is_named(model: keras.Model, tmp_path: Path) -> None:
    part = keras.Model(model.input, model.get_layer("block_2_add").output)
    _refused(model, save(part, tmp_path / "part.keras"), "has no layer 'block_3_expand'")


def _refused(model: keras.Model, source: str | Path, match: str) -> None:
    with pytest.raises(WeightsError, match=match) as caught:
        load(model, source)
    text = str(caught.value)
    assert "\n" not in text and f"Received {str(Path(source).expanduser())!r}" in text


BAD = [
    ("block_3_expand", "kernel", np.nan),
    ("bn_Conv1", "beta", np.inf),
    ("Conv1", "kernel", -np.inf),
    ("block_5_project_BN", "moving_variance", np.nan),
]


def spoil(model: keras.Model, layer: str, kind: str, value: float) -> None:
    """Write one bad value into a layer's variable."""
    variable = next(one for one in model.get_layer(layer).weights if one.name == kind)
    values = variable.numpy()
    values.flat[-1] = value
    variable.assign(values)


@pytest.mark.parametrize(("layer", "kind", "bad"), BAD)
def test_a_value_that_is_not_finite_is_refused_with_its_layer(
    model: keras.Model, tmp_path: Path, layer: str, kind: str, bad: float
) -> None:
    load(model, "random", 5)
    spoil(model, layer, kind, bad)
    file = save(model, tmp_path / "mine.weights.h5")
    _refused(model, file, f"layer '{layer}' holds NaN or infinity: 1 of the .* values of its {kind}[.] Expected finite .* or use weights=")


@pytest.mark.parametrize("name", ["mine.h5", "mine.keras"])
def test_values_that_are_not_finite_are_refused_in_each_format(model: keras.Model, tmp_path: Path, name: str) -> None:
    load(model, "random", 5)
    spoil(model, "block_3_expand", "kernel", np.nan)
    spoil(model, "Conv_1_bn", "gamma", np.nan)
    _refused(model, save(model, tmp_path / name), "layer 'block_3_expand' .* of its kernel, and of 1 other variable")


def test_weights_that_overflowed_when_they_were_stored_in_16_bits_are_refused(model: keras.Model, tmp_path: Path) -> None:
    load(model, "random", 5)
    file = save(model, tmp_path / "half.weights.h5")
    with h5py.File(file, "r+") as stored:
        layer = stored["layers/conv2d_5/vars"]
        values = np.array(layer["0"]) * 1e6
        del layer["0"]
        with np.errstate(over="ignore"):
            layer["0"] = values.astype(np.float16)
    _refused(model, file, "layer 'block_2_project' holds NaN or infinity")


def test_a_bad_classifier_that_is_not_used_is_no_matter(model: keras.Model, tmp_path: Path) -> None:
    expected = load(model, "random", 5)
    whole = with_classifier(model)
    whole.get_layer("predictions").bias.assign([np.nan] * 3)
    file = save(whole, tmp_path / "big.keras")
    load(model, "random", 6)
    assert load(model, file) == expected


def test_published_weights_with_nan_say_where_they_came_from(model: keras.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = [np.full(weight.shape, np.nan, np.float32) for weight in model.weights]
    monkeypatch.setattr(weights, "imagenet", lambda *given: arrays)
    with pytest.raises(WeightsError, match=r"layer 'Conv1' .* Delete the file in Keras's cache.* Received weights=imagenet"):
        load(model, "imagenet")
