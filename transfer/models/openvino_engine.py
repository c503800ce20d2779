"""OpenVINO, an optional engine: a TensorFlow graph, converted and compiled for the processor, computes a batch on all cores at once.

Each stream of the engine takes some images of a batch for itself. For MobileNetV2 at 224 px on 2 cores, two streams are 1.6 times as fast
as both cores on one batch of 16: what a layer passes on to the next stays in the caches. One to four images each make no difference
there; at 96 px four are 1.6 times as fast as one, at 32 px twice. The values of an image were the same with every number.
"""

import importlib.metadata
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transfer.errors import EngineError

if TYPE_CHECKING:
    import tensorflow as tf
    from tensorflow.core.framework import graph_pb2

PACKAGE = "openvino"
OLDEST, TOO_NEW = (2026, 0), (2027, 0)
"""The versions that were tried, as in `pyproject.toml`; others may compute differently, or not at all."""

_INSTALL = "Install it: pip install 'keras-transfer[openvino]'."
_TELEMETRY = "openvino_telemetry"

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
"""The precisions that it computes in, and their names there."""


def version() -> str | None:
    """Return the version that is installed (`2026.4`: year and release), without importing it; None if it is not installed."""
    try:
        return ".".join(importlib.metadata.version(PACKAGE).split(".")[:2])
    except importlib.metadata.PackageNotFoundError:
        return None


def require() -> None:
    """Check, without importing it, that OpenVINO is installed, in a version that was tried.

    Raises:
        EngineError: if it is not.
    """
    found = version()
    if found is None:
        raise EngineError(f"OpenVINO is not installed. {_INSTALL}")
    numbers = tuple(int(part) if part.isdecimal() else 0 for part in found.split("."))
    if not OLDEST <= numbers < TOO_NEW:
        raise EngineError(f"OpenVINO must be at least {_text(OLDEST)} and below {_text(TOO_NEW)}. {_INSTALL} Received {found}.")


def load() -> Any:
    """Return the package, imported.

    Raises:
        EngineError: see `require`; or if it cannot be imported.
    """
    require()
    try:
        return _imported()
    except Exception as error:  # a library that is missing, or does not fit the system
        raise EngineError(f"OpenVINO {version()} cannot be imported: {_reason(error)}. {_INSTALL}") from None


def _imported() -> Any:
    """Import the package without its telemetry, which would send each import over the network and write into the user's home."""
    absent = _TELEMETRY not in sys.modules
    if absent:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # Python's way to say that a module cannot be imported
    try:
        import openvino
    finally:
        if absent:
            del sys.modules[_TELEMETRY]
    return openvino


def computes_in(precision: str) -> bool:
    """Return whether OpenVINO computes in a precision on this processor, rather than in float32 under its name.

    Raises:
        EngineError: see `load`.
    """
    offered = load().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return precision == "float32" or (precision == "bfloat16" and "BF16" in offered)


def with_constants(function: "tf.types.experimental.ConcreteFunction") -> tuple["graph_pb2.GraphDef", list[str]]:
    """Return the graph of a function, with the variables that it reads as constants, and the names of its output tensors.

    TensorFlow's own way also optimises the graph and builds a function of it, which takes seconds for a large network, and OpenVINO
    optimises anyway. It is used where functions are called inside, to which variables are passed on (ConvNeXt).
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    captured = {inside.op.name: outside for outside, inside in function.graph.captures}
    whole = function.graph.as_graph_def()
    nodes = list(whole.node)
    del whole.node[:]
    for node in nodes:
        of = node.name if node.op == "Placeholder" else node.input[0] if node.op == "ReadVariableOp" else None
        if of not in captured:
            whole.node.append(node)
            continue
        value = captured[of]
        if node.op == "ReadVariableOp":
            value = tf.raw_ops.ReadVariableOp(resource=value, dtype=tf.as_dtype(node.attr["dtype"].type))
        elif value.dtype == tf.resource:
            continue  # the variable itself
        constant = whole.node.add(name=node.name, op="Const")
        constant.attr["dtype"].type = value.dtype.as_datatype_enum
        constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value.numpy()))
    left = {node.name for node in whole.node}
    if any(name.lstrip("^").split(":")[0] not in left for node in whole.node for name in node.input):
        function = convert_variables_to_constants_v2(function)
        whole = function.graph.as_graph_def()
    return whole, [tensor.name for tensor in function.outputs]


@dataclass(frozen=True)
class Compiled:
    """A compiled graph: a batch -> its outputs. It may be called from several threads, which then wait for each other.

    Attributes:
        rows: images that one stream computes at a time.
        streams: how many of them it computes at once.
        outputs: their number.
        queue: OpenVINO's requests, one for each stream.
    """

    rows: int
    streams: int
    outputs: int
    queue: Any
    turn: threading.Lock

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        """Compute a batch of any size.

        Args:
            batch: [n, ...], in the dtype of the graph's input.

        Returns:
            For each output, [n, ...] in its dtype.
        """
        pieces = [batch[start : start + self.rows] for start in range(0, len(batch), self.rows)]
        found: list[list[np.ndarray]] = [[] for _ in pieces]

        def finished(request: Any, number: int) -> None:
            found[number] = [request.get_output_tensor(output).data.copy() for output in range(self.outputs)]

        with self.turn:
            self.queue.set_callback(finished)
            for number, piece in enumerate(pieces):
                self.queue.start_async({0: self._filled(piece)}, number)
            self.queue.wait_all()
        return [np.concatenate(arrays)[: len(batch)] for arrays in zip(*found, strict=True)]

    def _filled(self, piece: np.ndarray) -> np.ndarray:
        lacking = self.rows - len(piece)
        whole = np.concatenate([piece, np.zeros((lacking, *piece.shape[1:]), piece.dtype)]) if lacking else piece
        return np.ascontiguousarray(whole)


def compiled(definition: "graph_pb2.GraphDef", outputs: Sequence[str], precision: str, rows: int, threads: int, streams: int) -> Compiled:
    """Convert and compile a frozen graph of one input, [n or rows, ...], whose first dimension is that of the images.

    Args:
        definition: without variables, in float32; preprocessing that is part of it is compiled too.
        outputs: names of its output tensors (`Identity:0`).
        precision: of the computation, `float32` or `bfloat16`.
        rows: images that one stream computes at a time.
        threads: of the processor, for all streams together.
        streams: how many such pieces are computed at once; at most one for each thread is of use.

    Raises:
        EngineError: if OpenVINO cannot be used (`load`), lacks an operation, or the processor the precision.
    """
    openvino = load()
    if not computes_in(precision):
        raise EngineError(f"OpenVINO does not compute in {precision} on this processor.")
    try:
        core = openvino.Core()
        with tempfile.TemporaryDirectory(prefix="transfer-") as folder:  # several times as fast as `openvino.convert_model`
            file = Path(folder) / "graph.pb"
            file.write_bytes(definition.SerializeToString())
            converted = core.read_model(file)
        # What is left over inside counts as an output too, such as what activations keep for their gradients: without, EfficientNetV2B0
        # is 1.6 times as fast.
        wanted = [next(one for one in converted.outputs if name in one.get_names()) for name in outputs]
        model = openvino.Model([one.get_node().input_value(0) for one in wanted], converted.get_parameters())
        model.reshape({0: [rows, *list(model.inputs[0].partial_shape)[1:]]})
        settings = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[precision], "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": min(streams, threads),
            "PERFORMANCE_HINT": "THROUGHPUT",
        }  # fmt: skip
        network = core.compile_model(model, "CPU", settings)
        queue = openvino.AsyncInferQueue(network, min(streams, threads))
        return Compiled(rows, min(streams, threads), len(outputs), queue, threading.Lock())
    except Exception as error:  # RuntimeError and what its bindings raise
        raise EngineError(f"OpenVINO {version()} cannot compile this network: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    """Return what an error says, in one line: the last of OpenVINO's many, without the places in its sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")[:200]


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in numbers)
