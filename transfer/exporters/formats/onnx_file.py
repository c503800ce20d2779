"""A graph -> ONNX by tf2onnx, with 16-bit weights, or 8-bit integers by ONNX Runtime's quantizer; run by ONNX Runtime.

Facts about the model are in `metadata_props`, text by name; `labels` is a JSON list.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from transfer.errors import ExportError
from transfer.exporters.formats.graph import INPUT, Source
from transfer.exporters.formats.quantization import Operator, Samples, nothing_to_quantize, quantizable
from transfer.system.startup import quietly

_OPSET = 18
_SMALL = 256  # values; for smaller weights, 16 bits would save nothing
_HIGHEST = float(np.finfo(np.float16).max)
_IN_INTEGERS = (
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "Add", "Mul", "Sigmoid", "Relu", "LeakyRelu", "Clip",
    "Concat", "Pad", "Transpose", "Reshape",
)  # fmt: skip
_DENSE = ("MatMul", "Gemm")


def convert(source: Source) -> Any:
    """Return the `onnx.ModelProto` of a graph: input `images` [n, size, size, 3], the outputs by name, any number of images.

    Raises:
        ExportError: if an operation has no counterpart in ONNX.
    """
    import tf2onnx

    renamed = {source.input: INPUT} | {tensor: name for name, tensor in source.outputs.items()}
    try:
        with quietly():
            model, _ = tf2onnx.convert.from_graph_def(
                _with_erf(source.definition), name="classifier", input_names=[source.input], output_names=list(source.outputs.values()),
                opset=_OPSET, tensors_to_rename=renamed,
            )  # fmt: skip
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(f"The model could not be converted to ONNX: {reason}. Nothing was published.") from None
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    return model


def _with_erf(definition: graph_pb2.GraphDef) -> graph_pb2.GraphDef:
    """Return a graph in which erfc(x), which GELU uses and ONNX lacks, is 1 - erf(x)."""
    result = graph_pb2.GraphDef()
    result.CopyFrom(definition)
    for node in [node for node in result.node if node.op == "Erfc"]:
        one = tf.make_tensor_proto(1.0, tf.as_dtype(node.attr["T"].type))
        constant = result.node.add(name=f"{node.name}/one", op="Const")
        constant.attr["value"].tensor.CopyFrom(one)
        constant.attr["dtype"].type = node.attr["T"].type
        erf = result.node.add(name=f"{node.name}/erf", op="Erf", input=list(node.input))
        erf.attr["T"].CopyFrom(node.attr["T"])
        node.op = "Sub"
        node.input[:] = [constant.name, erf.name]
    return result


def in_16_bits(model: Any) -> None:
    """Store the weights of a model in 16 bits, in place. They are cast to float32, in which the model still computes.

    Weights that exceed the range of float16 stay in float32.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weights in model.graph.initializer:
        if weights.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(weights)
        if values.size < _SMALL or not np.abs(values).max() <= _HIGHEST:
            continue
        name = weights.name
        weights.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_float16"))
        casts.append(helper.make_node("Cast", [weights.name], [name], f"{name}_widened", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)


def in_8_bits(model: Any, images: np.ndarray) -> Any:
    """Return a float32 model quantized to 8 bits: all but the last dense layer and everything after it, which stay in float32.

    Hidden dense layers have fixed ranges here. With dynamic ranges, ONNX Runtime uses one range for a whole batch, so the answer
    for an image would depend on the other images.

    Args:
        model: made by `convert`.
        images: uint8 [n, size, size, 3], from which the ranges are taken.

    Raises:
        ExportError: if no layer can be quantized.
    """
    import onnx
    from onnxruntime import quantization

    names = _quantizable(model)
    if not names:
        raise nothing_to_quantize()
    with tempfile.TemporaryDirectory(prefix="transfer-onnx-") as folder, quietly():
        file = Path(folder) / "quantized.onnx"
        # Minimum and maximum: percentiles or entropy would keep all activations of all images in memory.
        quantization.quantize_static(
            model, file, Samples(images), op_types_to_quantize=[*_IN_INTEGERS, *_DENSE], nodes_to_quantize=names, per_channel=True
        )
        return onnx.load(file)


def _quantizable(model: Any) -> list[str]:
    """Return the names of the nodes that are quantized."""
    weights = {tensor.name for tensor in model.graph.initializer}
    operators = []
    for node in model.graph.node:  # in order of execution, as ONNX requires
        product_of_activations = node.op_type in _DENSE and node.input[1] not in weights
        kind = "" if product_of_activations else node.op_type
        operators.append(Operator(node.name, kind, tuple(node.input), tuple(node.output)))
    parts = quantizable(operators, "probabilities", ("Conv",), _DENSE)
    integers = [operator for operator in parts.convolutional if operator.kind in (*_IN_INTEGERS, *_DENSE)]
    return [operator.name for operator in (*integers, *parts.hidden)]


class InONNXRuntime:
    """An .onnx file in ONNX Runtime, on the processor; see `measure.Runtime`."""

    def __init__(self, file: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        self.name = f"onnxruntime {onnxruntime.__version__}"
        self._session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self._names, self._session.run(self._names, {INPUT: images}), strict=True))


def add_facts(file: Path, facts: dict[str, Any]) -> None:
    """Write facts into the metadata of a file."""
    import onnx

    model = onnx.load(file)
    onnx.helper.set_model_props(model, {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()})
    onnx.save(model, file)


def read_facts(file: Path) -> dict[str, Any]:
    """Return the facts in a file."""
    import onnx

    texts = {entry.key: entry.value for entry in onnx.load(file, load_external_data=False).metadata_props}
    return texts | {name: json.loads(texts[name]) for name in ("labels", "size", "outputs", "test_accuracy")}
