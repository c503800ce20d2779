"""Networks of every kind are converted to both formats: all from scratch, depthwise convolutions, swish, bfloat16."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.exporters.formats import tiny_run
from tests.models.scratch.scratch_models import build
from tests.models.scratch.test_scratch import TINY
from transfer.errors import ExportError
from transfer.exporters.formats import graph, litert, model_file, onnx_file
from transfer.models import joined
from transfer.system.progress import Silent
from transfer.workflows.export import carry_out
from transfer.workflows.run_requests import export_request


def both_agree(source: graph.Source, folder: Path, tolerance: float) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, source.size, source.size, 3)).astype(np.float32)
    expected = source.run(images)
    (folder / "a.tflite").write_bytes(litert.convert(source))
    (folder / "a.onnx").write_bytes(onnx_file.convert(source).SerializeToString())
    for to, name in (("litert", "a.tflite"), ("onnx", "a.onnx")):
        found = model_file.opened(to, folder / name, 1).run(images)
        np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=tolerance, err_msg=to)
        np.testing.assert_allclose(found["ood_score"], expected["ood_score"], atol=10 * tolerance, err_msg=to)


@pytest.mark.parametrize("name", TINY)
def test_every_network_from_scratch_is_converted(tmp_path: Path, name: str) -> None:
    size, small = TINY[name]
    run = tiny_run.write(tmp_path, lambda: joined.from_scratch(build(name, size, 3, **small)))
    both_agree(graph.read(run.export), tmp_path, 1e-5)


def separable() -> keras.Model:
    """Return what MobileNetV2, EfficientNetV2 and ConvNeXt are made of: convolutions in groups, squeeze, swish, GELU."""
    images = keras.Input((16, 16, 3))
    maps = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    maps = keras.layers.Conv2D(8, 3, 2, "same", activation="silu")(maps)
    maps = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(maps)
    maps = keras.layers.ReLU(6.0)(keras.layers.BatchNormalization()(maps))
    maps = keras.layers.Conv2D(8, 3, padding="same", groups=4, activation="gelu")(maps)
    squeezed = keras.layers.GlobalAveragePooling2D(keepdims=True)(maps)
    gate = keras.layers.Conv2D(8, 1, activation="sigmoid")(keras.layers.Conv2D(2, 1, activation="silu")(squeezed))
    maps = keras.layers.Add()([maps, keras.layers.Multiply()([maps, gate])])
    maps = keras.layers.Concatenate()([maps, keras.layers.AveragePooling2D(3, 1, "same")(maps)])
    logits = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(maps))
    return keras.Model(images, keras.layers.Softmax()(logits))


def mobilenet() -> keras.Model:
    """Return the first blocks of MobileNetV2 and a dense layer."""
    images = keras.Input((32, 32, 3))
    whole = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None)
    trunk = keras.Model(whole.input, whole.get_layer("block_2_add").output)
    maps = trunk(keras.layers.Rescaling(1 / 127.5, offset=-1)(images), training=False)
    logits = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(maps))
    return keras.Model(images, keras.layers.Softmax()(logits))


def test_a_backbone_is_converted(tmp_path: Path) -> None:
    both_agree(graph.read(tiny_run.write(tmp_path, mobilenet).export), tmp_path, 1e-5)


def test_depthwise_convolutions_and_swish_survive_8_bits(tmp_path: Path) -> None:
    run = tiny_run.write(tmp_path, separable)
    for to in ("litert", "onnx"):
        entry = carry_out(export_request(run, to, "int8"), Silent()).entries[-1]
        assert (entry["format"], entry["quantization"]) == (to, "int8")
        assert entry["largest_difference"] < 0.1


class Heard(Silent):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def unshared() -> keras.Model:
    """Return a network whose convolutions are all locally connected."""
    return joined.from_scratch(build("tiny_vgg", 16, 3, filters=(8,), locally_connected=True))


@pytest.mark.parametrize("to", ["litert", "onnx"])
def test_locally_connected_layers_stay_in_float32_and_the_file_as_large(tmp_path: Path, to: str) -> None:
    run, heard = tiny_run.write(tmp_path, unshared), Heard()
    entry = carry_out(export_request(run, to, "int8"), heard).entries[-1]
    assert entry["largest_difference"] < 0.02
    (line,) = [line for line in heard.lines if "no smaller" in line]
    assert "int8 makes the file no smaller: 0." in line and "locally connected" in line


def test_a_smaller_file_is_not_mentioned(tmp_path: Path) -> None:
    run, heard = tiny_run.write(tmp_path, lambda: joined.from_scratch(build("lenet", 16, filters=(4, 6), dense=(600, 8)))), Heard()
    carry_out(export_request(run, "litert", "int8"), heard)
    assert heard.lines == ["Converting to litert, int8"]


def test_a_network_in_bfloat16_becomes_one_in_float32(tmp_path: Path) -> None:
    run = tiny_run.write(tmp_path, tiny_run.lenet_in_bfloat16, precision="bfloat16")
    source = graph.read(run.export)
    kinds = {attribute.type for node in source.definition.node for attribute in node.attr.values()}
    assert kinds.isdisjoint({graph.types_pb2.DT_BFLOAT16, graph.types_pb2.DT_HALF})
    both_agree(source, tmp_path, 0.05)
    in_float32 = keras.saving.load_model(run.model, compile=False, safe_mode=True).get_weights()
    wide = tiny_run.lenet()
    wide.set_weights(in_float32)
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.float32)
    found = model_file.opened("litert", tmp_path / "a.tflite", 1).run(images)["probabilities"]
    np.testing.assert_allclose(found, np.asarray(wide(images)), atol=1e-3)


def test_a_network_without_weights_has_nothing_to_quantize(tmp_path: Path) -> None:
    source = graph.read(tiny_run.write(tmp_path, tiny_run.colours).export)
    images = np.zeros((2, 16, 16, 3), np.uint8)
    with pytest.raises(ExportError, match="no layer that can be quantized"):
        litert.in_8_bits(litert.convert(source), images)
    with pytest.raises(ExportError, match="no layer that can be quantized"):
        onnx_file.in_8_bits(onnx_file.convert(source), images)
