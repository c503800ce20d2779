"""Files in the runtimes for which they are made: images in, named outputs out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from transfer.exporters.formats.graph import INPUT, Source
from transfer.exporters.formats.request import LITERT


class Runtime(Protocol):
    """Something that classifies images. `name` says what computes, with its version."""

    name: str

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name, for RGB in 0..255, float32 [n, size, size, 3]."""
        ...


class InTensorFlow:
    """The SavedModel itself."""

    def __init__(self, source: Source) -> None:
        self.name = f"TensorFlow {tf.__version__}"
        self._signature: Callable[..., dict[str, Any]] = source.signature
        self._names = list(source.outputs)

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        found = self._signature(**{INPUT: tf.constant(images)})
        return {name: found[name].numpy() for name in self._names}


class InLiteRT:
    """A .tflite file in the LiteRT interpreter, by its signature `images`."""

    def __init__(self, file: Path, threads: int) -> None:
        from importlib.metadata import version

        from ai_edge_litert.interpreter import Interpreter

        self.name = f"ai-edge-litert {version('ai-edge-litert')}"
        self._interpreter = Interpreter(model_content=file.read_bytes(), num_threads=threads)
        self._runner = self._interpreter.get_signature_runner(INPUT)
        shape = self._interpreter.get_input_details()[0]["shape"]
        self.run(np.zeros(shape, np.float32))  # it says on the first run who computes, and here nobody listens

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = self._runner(**{INPUT: images})
        return {name: np.array(values) for name, values in found.items()}


class InONNXRuntime:
    """An .onnx file in ONNX Runtime, on the processor."""

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


def opened(to: str, file: Path, threads: int) -> Runtime:
    """Return a file in the runtime of its format."""
    return InLiteRT(file, threads) if to == LITERT else InONNXRuntime(file, threads)
