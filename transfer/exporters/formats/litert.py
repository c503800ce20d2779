"""A graph -> LiteRT (.tflite) with a signature `images`, quantized to 8 bits by ai-edge-quantizer, run by the LiteRT interpreter.

In 8 bits, everything up to the last convolution is computed in integers (ranges from training images, weights scaled per
channel), and hidden dense layers have 8-bit weights. The last layer and everything after it stay in float32. With VGG16 on
32 images of clip art, the largest difference of a probability was 0.03 with integers up to the last convolution, 0.43 with
integer dense layers and means as well, and 0.30 with TensorFlow's own quantizer (0.33 with the head in float32). Locally connected
layers stay in float32 too.

Facts about the model are in a ZIP archive appended to the file, as in TFLite Model Metadata: its readers and any unzip program
find `labels.txt` (one a line) and `metadata.json` there, and runtimes ignore it.
"""

import json
import os
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from transfer.errors import ExportError
from transfer.exporters.formats.graph import INPUT, Source
from transfer.exporters.formats.quantization import Operator, Samples, nothing_to_quantize, quantizable
from transfer.runs import LABELS
from transfer.system.startup import quietly

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_DENSE = "FULLY_CONNECTED"
_IN_FLOAT = "BATCH_MATMUL"
"""What locally connected layers become. In integers, a test accuracy of 1.000 fell to 0.128 (6 classes)."""
_FACTS = "metadata.json"


def convert(source: Source, sixteen_bits: bool = False) -> bytes:
    """Return the content of the file, with weights in 32 or 16 bits; it computes in float32 either way.

    Raises:
        ExportError: if it cannot be converted, or an intermediate file cannot be written.
    """
    module = tf.Module()
    module.images = source.function()
    try:
        with tempfile.TemporaryDirectory(prefix="transfer-litert-") as folder, quietly():
            without_gradients = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # swish has its own
            tf.saved_model.save(module, folder, signatures={INPUT: module.images}, options=without_gradients)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[INPUT])
            if sixteen_bits:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.target_spec.supported_types = [tf.float16]
            converted: bytes = converter.convert()
    except tf.errors.OpError as error:  # TensorFlow's writer raises no OSError, even for a full disk
        reason = error.message.partition(" [Op:")[0]
        raise ExportError(
            f"The model could not be converted to LiteRT, since an intermediate file could not be written: {reason}. Nothing was published."
        ) from None
    except ConverterError as error:
        reason = str(error).splitlines()[0]
        raise ExportError(f"The model could not be converted to LiteRT: {reason}. Nothing was published.") from None
    return converted


def in_8_bits(model: bytes, images: np.ndarray) -> bytes:
    """Return a float32 model quantized to 8 bits.

    Args:
        model: made by `convert`.
        images: uint8 [n, size, size, 3], from which the ranges are taken.

    Raises:
        ExportError: if no layer can be quantized.
    """
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    operators, probabilities = _operators(model)
    parts = quantizable(operators, probabilities, _CONVOLUTIONS, (_DENSE,))
    names = qtyping.TFLOperationName
    with quietly():
        worker = quantizer.Quantizer(bytearray(model))
        for kind in sorted({operator.kind for operator in parts.convolutional} & set(names.__members__) - {_IN_FLOAT}):
            worker.add_static_config(".*", names[kind], activation_num_bits=8, weight_num_bits=8)
        if parts.hidden:
            worker.add_dynamic_config(".*", names[_DENSE], num_bits=8)
        if not worker.get_quantization_recipe():
            raise nothing_to_quantize()
        for operator in operators:
            if operator not in parts.convolutional and operator not in parts.hidden:
                scope = f"^{re.escape(operator.name)}"
                worker.update_quantization_recipe(scope, names.ALL_SUPPORTED, algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE)
        ranges = worker.calibrate({INPUT: Samples(images)})
        result = worker.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def _operators(model: bytes) -> tuple[list[Operator], int]:
    """Return all operators of a model, and the tensor of the probabilities."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    read: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    graph = read.subgraphs[0]
    operators = []
    for found in graph.operators:
        kind = kinds[flatbuffer_utils.get_builtin_code_from_operator_code(read.operatorCodes[found.opcodeIndex])]
        scope = "".join(f"{graph.tensors[number].name.decode()};" for number in found.outputs)
        operators.append(Operator(scope, kind, tuple(found.inputs), tuple(found.outputs)))
    tensors = {entry.name.decode(): int(entry.tensorIndex) for entry in read.signatureDefs[0].outputs}
    return operators, tensors["probabilities"]


class InLiteRT:
    """A .tflite file in the LiteRT interpreter, by its signature `images`; see `measure.Runtime`."""

    def __init__(self, file: Path, threads: int) -> None:
        from importlib.metadata import version

        from ai_edge_litert.interpreter import Interpreter

        self.name = f"ai-edge-litert {version('ai-edge-litert')}"
        self._interpreter = Interpreter(model_content=file.read_bytes(), num_threads=threads)
        self._runner = self._interpreter.get_signature_runner(INPUT)
        shape = self._interpreter.get_input_details()[0]["shape"]
        self.run(np.zeros(shape, np.float32))  # the first run prints which delegate is used: here the output is held back

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = self._runner(**{INPUT: images})
        return {name: np.array(values) for name, values in found.items()}


def add_facts(file: Path, facts: dict[str, Any]) -> None:
    """Append facts to a file."""
    lines = b"".join(os.fsencode(label) + b"\n" for label in facts["labels"])
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS), lines)  # without the time: the same export gives the same bytes
        archive.writestr(zipfile.ZipInfo(_FACTS), json.dumps(facts, indent=2))


def read_facts(file: Path) -> dict[str, Any]:
    """Return the facts in a file."""
    with zipfile.ZipFile(file) as archive:
        content: dict[str, Any] = json.loads(archive.read(_FACTS))
    return content
