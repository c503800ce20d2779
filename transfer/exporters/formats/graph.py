"""A SavedModel's signature `images` -> one float32 graph with its weights inside: the input of the converters.

The graph is read from the published SavedModel instead of being built again, so whatever the SavedModel computes (calibration,
OOD score) is in the other formats too. A network that computes in bfloat16 or float16 is widened: its weights are stored in
float32, and the casts between the types no longer have any effect.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, types_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from transfer.errors import RunError
from transfer.exporters import foreign

INPUT = "images"
OUTPUTS = ("probabilities", "ood_score", "is_ood")
"""The numeric outputs, in this order; strings (`classes`, `label`) are not part of these formats."""

_PLAIN = "_without_xla"
_SIXTEEN_BITS = (types_pb2.DT_BFLOAT16, types_pb2.DT_HALF)


@dataclass(frozen=True)
class Source:
    """What is converted. It is also a runtime (see `measure.Runtime`), the one with which the converted files are compared.

    Attributes:
        signature: the SavedModel's own `images`, as it is served: float32 [n, size, size, 3], RGB in 0..255 -> dict of tensors.
        definition: the same as a frozen graph in float32.
        input: name of the tensor that takes the images.
        outputs: name of each output -> name of its tensor, in the order of `OUTPUTS`.
        size: side of the images in pixels.
    """

    signature: Any
    definition: graph_pb2.GraphDef
    input: str
    outputs: dict[str, str]
    size: int

    @property
    def name(self) -> str:
        """What runs the signature, with its version."""
        return f"TensorFlow {tf.__version__}"

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs of the SavedModel itself by name, for RGB in 0..255, float32 [n, size, size, 3]."""
        found = self.signature(**{INPUT: tf.constant(images)})
        return {name: found[name].numpy() for name in self.outputs}

    def function(self) -> Any:
        """Return the frozen graph as a TensorFlow function: images -> dict of tensors."""
        pruned = _function(self.definition, self.input, list(self.outputs.values()))

        @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, self.size, self.size, 3], tf.float32, name=INPUT)])
        def images(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return dict(zip(self.outputs, pruned(images), strict=True))

        return images


def read(export: Path, trust: bool = False) -> Source:
    """Read a SavedModel of this package.

    Args:
        export: its version folder.
        trust: load it whatever it could do; see `foreign.load`.

    Raises:
        RunError: if it is damaged, cannot be loaded, has no signature `images`, or is not trusted and could do more than compute.
    """
    loaded = foreign.load(export, trust)
    try:
        signature = loaded.signatures[INPUT]
        size = int(signature.structured_input_signature[1][INPUT].shape[1])
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise RunError(
            f"The export could not be loaded: its signature {INPUT!r} is missing or another ({error}). Received {str(export)!r}."
        ) from None
    return of(signature, size)


def of(signature: Any, size: int) -> Source:
    """Return what is converted of the signature `images` of a loaded SavedModel, for images of `size` x `size` pixels."""
    names = [name for name in OUTPUTS if name in signature.structured_outputs]

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, size, size, 3], tf.float32, name=INPUT)])
    def numbers(images: tf.Tensor) -> list[tf.Tensor]:
        found = signature(images=images)
        return [found[name] for name in names]

    frozen = convert_variables_to_constants_v2(numbers.get_concrete_function())
    if frozen.graph.as_graph_def().library.function:
        plain = _without_xla(frozen.graph.as_graph_def())
        frozen = convert_variables_to_constants_v2(_function(plain, frozen.inputs[0].name, [tensor.name for tensor in frozen.outputs]))
    tensors = {name: tensor.name for name, tensor in zip(names, frozen.outputs, strict=True)}
    return Source(signature, widened(frozen.graph.as_graph_def()), frozen.inputs[0].name, tensors, size)


def _function(definition: graph_pb2.GraphDef, takes: str, gives: list[str]) -> Any:
    def load() -> None:
        tf.import_graph_def(definition, name="")

    return tf.compat.v1.wrap_function(load, []).prune([takes], gives)


def _without_xla(definition: graph_pb2.GraphDef) -> graph_pb2.GraphDef:
    """Return a graph whose functions can be inlined; Keras requests XLA for grouped convolutions, which prevents that."""
    plain = graph_pb2.GraphDef()
    plain.CopyFrom(definition)
    functions = list(plain.library.function)
    nodes = [*plain.node, *(node for function in functions for node in function.node_def)]
    for holder in [*nodes, *functions]:
        for name in ("_XlaMustCompile", "_noinline"):
            if name in holder.attr:
                del holder.attr[name]
    for function in functions:  # TensorFlow has already registered functions of the old names
        function.signature.name += _PLAIN
    for node in nodes:
        for attribute in node.attr.values():
            if attribute.HasField("func"):
                attribute.func.name += _PLAIN
    return plain


def widened(definition: graph_pb2.GraphDef) -> graph_pb2.GraphDef:
    """Return a graph in which everything that was bfloat16 or float16 is float32."""
    wide = graph_pb2.GraphDef()
    wide.CopyFrom(definition)
    functions = [node for function in wide.library.function for node in function.node_def]
    for node in [*wide.node, *functions]:
        for attribute in node.attr.values():
            if attribute.type in _SIXTEEN_BITS:
                attribute.type = types_pb2.DT_FLOAT
            for position, kind in enumerate(attribute.list.type):
                if kind in _SIXTEEN_BITS:
                    attribute.list.type[position] = types_pb2.DT_FLOAT
            if attribute.HasField("tensor") and attribute.tensor.dtype in _SIXTEEN_BITS:
                values = tf.make_ndarray(attribute.tensor).astype(np.float32)
                attribute.tensor.CopyFrom(tf.make_tensor_proto(values, tf.float32, values.shape))
    return wide
