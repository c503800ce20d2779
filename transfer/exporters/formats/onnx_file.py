"""A graph -> ONNX by tf2onnx; weights in 16 bits, or 8-bit integers by ONNX Runtime's quantizer."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from transfer.errors import ExportError
from transfer.exporters.formats.graph import INPUT, Source
from transfer.exporters.formats.quiet import quietly
from transfer.exporters.formats.samples import Samples

_OPSET = 18
_SMALL = 256  # values; smaller tensors of weights save nothing in 16 bits
_HIGHEST = float(np.finfo(np.float16).max)
_IN_INTEGERS = (
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "Add", "Mul", "Sigmoid", "Relu", "LeakyRelu", "Clip",
    "Concat", "Pad", "Transpose", "Reshape",
)  # fmt: skip
_DENSE = ("MatMul", "Gemm")


def convert(source: Source) -> Any:
    """Return the `onnx.ModelProto` of a graph: input `images` [n, size, size, 3], the outputs by name, any number of images.

    Raises:
        ExportError: where an operation has no counterpart.
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
        raise ExportError(f"The model cannot be converted to ONNX: {reason}. Nothing was published.") from None
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    return model


def _with_erf(definition: graph_pb2.GraphDef) -> graph_pb2.GraphDef:
    """Return a graph in which GELU's erfc(x), which ONNX has not, is 1 - erf(x)."""
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
    """Turn the weights of a model into 16-bit ones, which are widened as they are used: it computes in float32.

    Weights that 16 bits cannot hold stay in 32.
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
    """Return a float32 model quantized to 8 bits: all up to the last dense layer, which stays in float32 with what follows it.

    Hidden dense layers have fixed ranges here. With ranges taken as they run, ONNX Runtime takes one for a whole batch, and
    the answer for an image would depend on its neighbours.

    Args:
        model: made by `convert`.
        images: uint8 [n, size, size, 3], from which the ranges are taken.

    Raises:
        ExportError: where it has no layer that can be quantized.
    """
    import onnx
    from onnxruntime import quantization

    integers, hidden = _parts(model)
    if not integers and not hidden:
        raise ExportError("The network has no layer that can be quantized to 8 bits. Leave --quantize out, or take float16.")
    with tempfile.TemporaryDirectory(prefix="transfer-onnx-") as folder, quietly():
        file = Path(folder) / "quantized.onnx"
        # Smallest and largest values: percentiles or entropy would keep all activations of all images in memory.
        quantization.quantize_static(
            model, file, Samples(images), op_types_to_quantize=[*_IN_INTEGERS, *_DENSE], nodes_to_quantize=[*integers, *hidden],
            per_channel=True,
        )  # fmt: skip
        return onnx.load(file)


def _parts(model: Any) -> tuple[list[str], list[str]]:
    """Return names of nodes: up to the last convolution, and of the dense layers between it and the last layer."""
    leading = _leading_to({"probabilities"}, model)
    convolved = {output for node in leading if node.op_type == "Conv" for output in node.output}
    before = _leading_to(convolved, model)
    weights, earlier = {tensor.name for tensor in model.graph.initializer}, {node.name for node in before}
    dense = [node.name for node in leading if node.op_type in _DENSE and node.input[1] in weights]
    integers = [node.name for node in before if node.op_type in _IN_INTEGERS or node.name in dense]
    return integers, [name for name in dense[:-1] if name not in earlier]


def _leading_to(tensors: set[str], model: Any) -> list[Any]:
    needed, found = set(tensors), []
    for node in reversed(model.graph.node):  # in the order of computing, as ONNX requires it
        if needed & set(node.output):
            needed |= set(node.input)
            found.append(node)
    return found[::-1]
