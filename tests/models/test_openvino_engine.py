"""OpenVINO computes what TensorFlow computes, an image at a time, and where it cannot be used one line says so."""

import importlib.metadata
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from transfer.errors import EngineError
from transfer.features.agreement import probability_difference, worst_cosine
from transfer.models import openvino_engine
from transfer.models.frozen_pass import FrozenPass
from transfer.models.pretrained import FeatureSpec, Pretrained, head_specs
from transfer.models.registry import BACKBONES
from transfer.system.progress import Silent

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
KERNEL = RNG.normal(size=(3, 3, 3, 4)).astype(np.float32)


def features(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    maps = tf.nn.relu(tf.nn.conv2d(tf.cast(images, tf.float32) / 127.5 - 1.0, KERNEL, 1, "SAME"))
    return tf.reduce_max(maps, [1, 2]), tf.reduce_mean(maps, [1, 2])


def graph_of(function: Callable[[Any], Any], rows: int | None) -> tuple[Any, list[str]]:
    concrete = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec([rows, 8, 8, 3], tf.uint8))
    frozen = convert_variables_to_constants_v2(concrete)
    return frozen.graph.as_graph_def(), [tensor.name for tensor in frozen.outputs]


@pytest.mark.parametrize(("traced", "rows", "streams"), [(1, 1, 2), (None, 1, 1), (None, 2, 2), (2, 2, 1)])
def test_the_outputs_are_those_of_tensorflow_in_their_order(traced: int | None, rows: int, streams: int) -> None:
    pytest.importorskip("openvino")
    made = openvino_engine.compiled(*graph_of(features, traced), "float32", rows, 2, streams)
    for count in (5, 2, 1):
        for received, expected in zip(made(IMAGES[:count]), features(tf.constant(IMAGES[:count])), strict=True):
            assert received.dtype == np.float32
            np.testing.assert_allclose(received, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_an_image_has_the_same_values_in_any_batch() -> None:
    pytest.importorskip("openvino")
    made = openvino_engine.compiled(*graph_of(features, 1), "float32", 1, 2, 2)
    whole = made(IMAGES)
    for order in ([4, 3, 2, 1, 0], [2], [1, 1, 3]):
        for received, expected in zip(made(IMAGES[order]), whole, strict=True):
            np.testing.assert_array_equal(received, expected[order])


def test_a_graph_that_openvino_cannot_compute_is_an_error_of_one_line() -> None:
    pytest.importorskip("openvino")

    def unknown(images: tf.Tensor) -> tf.Tensor:
        return tf.strings.length(tf.strings.as_string(images))

    with pytest.raises(EngineError, match=r"^OpenVINO \d+\.\d+ cannot compile this network: .+\.$") as caught:
        openvino_engine.compiled(*graph_of(unknown, 1), "float32", 1, 1, 1)
    assert "\n" not in str(caught.value)


def installed(monkeypatch: pytest.MonkeyPatch, found: str | None) -> None:
    def version(name: str) -> str:
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_not_installed_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, None)
    assert openvino_engine.version() is None
    with pytest.raises(EngineError, match=r"^OpenVINO is not installed\. Install it: pip install 'keras-transfer\[openvino\]'"):
        openvino_engine.load()


@pytest.mark.parametrize("found", ["2019.3", "2025.4.1-20426", "2027.0.0", "unknown", "3"])
def test_a_version_that_was_not_tried_is_refused(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    installed(monkeypatch, found)
    with pytest.raises(EngineError, match=r"must be at least 2026\.0 and below 2027\.0\. .*Received .*\.$"):
        openvino_engine.load()


@pytest.mark.parametrize("fault", [ImportError("libopenvino.so: cannot open\nshared object file"), OSError("no"), RuntimeError("")])
def test_a_library_that_cannot_be_imported_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    installed(monkeypatch, "2026.4.1")

    def broken() -> Any:
        raise fault

    monkeypatch.setattr(openvino_engine, "_imported", broken)
    with pytest.raises(EngineError, match=r"OpenVINO 2026\.4 cannot be imported: .+\. Install it: ") as caught:
        openvino_engine.load()
    assert "\n" not in str(caught.value)


def test_nothing_is_sent_when_openvino_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    for name in [name for name in sys.modules if name == "openvino" or name.startswith("openvino.tools")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    openvino_engine.load()
    assert "openvino.tools.ovc" in sys.modules and "openvino_telemetry" not in sys.modules


@pytest.mark.parametrize(("offered", "expected"), [(["FP32"], False), (["FP32", "BF16"], True)])
def test_a_precision_that_the_processor_lacks_is_refused(monkeypatch: pytest.MonkeyPatch, offered: list[str], expected: bool) -> None:
    core = SimpleNamespace(get_property=lambda device, name: offered)
    monkeypatch.setattr(openvino_engine, "load", lambda: SimpleNamespace(Core=lambda: core))
    assert openvino_engine.computes_in("float32") and openvino_engine.computes_in("bfloat16") is expected
    assert not openvino_engine.computes_in("float16")
    if not expected:
        with pytest.raises(EngineError, match="does not compute in bfloat16 on this processor"):
            openvino_engine.compiled(*graph_of(features, 1), "bfloat16", 1, 1, 1)


FLOAT32_TOLERANCE = 1e-3  # of the export, `export.tolerance_float32`


@pytest.mark.parametrize("name", BACKBONES)
def test_the_engines_agree_on_every_backbone(name: str) -> None:
    """Pooled features of all cuts, a map for a head and one for fine-tuning, in one pass; and the probabilities of a made-up head."""
    pytest.importorskip("openvino")
    backbone = BACKBONES[name]
    pretrained = Pretrained.load(backbone, "random", backbone.smallest, "float32", 0, Silent())
    cuts = backbone.cut_names
    specs = [*head_specs(cuts, "avg+max"), FeatureSpec(cuts[0], "map"), FeatureSpec(cuts[-1], "flatten")]
    images = np.random.default_rng(1).integers(0, 256, (5, backbone.smallest, backbone.smallest, 3)).astype(np.uint8)
    expected = FrozenPass(pretrained, specs, 5)(images)
    frozen = FrozenPass(pretrained.with_engine("openvino"), specs, 5)
    received = frozen(images)
    for spec, one, other in zip(specs, expected, received, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype == pretrained.dtype(spec)
        assert worst_cosine(one, other) > 0.999, spec
    assert probability_difference(expected[-1], received[-1]) < FLOAT32_TOLERANCE
    for one, other in zip(received, frozen(images[::-1]), strict=True):
        np.testing.assert_array_equal(one[::-1], other)  # in any place of a batch
    for one, other in zip(received, frozen(images[3:4]), strict=True):
        np.testing.assert_array_equal(one[3:4], other)
