"""Files in the other formats: converted, opened in the runtime they are made for, with facts about the model inside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from transfer import __version__
from transfer.config import DataConfig
from transfer.errors import ExportError
from transfer.exporters.formats import FLOAT16, LITERT, ONNX, SUFFIXES, litert, onnx_file
from transfer.exporters.formats.graph import Source
from transfer.exporters.formats.measure import Measured, Runtime
from transfer.exporters.verify import largest_difference
from transfer.system.progress import Progress
from transfer.system.resources import cores
from transfer.system.startup import quietly

_AGAIN = 8  # images that the finished file classifies once more, in a batch of another size
_ROUNDING = 1e-4
_SMALLER = 0.9  # an int8 file is called smaller than the one in float32 if its size is at most this fraction


def convert(source: Source, to: str, quantize: str | None, samples: np.ndarray | None, progress: Progress) -> bytes:
    """Return the content of a file, without facts.

    Args:
        source: what is converted.
        to, quantize: format, and quantization or None.
        samples: with int8: images uint8 [n, size, size, 3], from which the ranges are taken.
        progress: is told if int8 makes the file no smaller.

    Raises:
        ExportError: if it cannot be converted.
    """
    if to == LITERT:
        content = litert.convert(source, quantize == FLOAT16)
        quantized = content if samples is None else litert.in_8_bits(content, samples)
    else:
        model = onnx_file.convert(source)
        if quantize == FLOAT16:
            onnx_file.in_16_bits(model)
        content = model.SerializeToString()
        quantized = content if samples is None else onnx_file.in_8_bits(model, samples).SerializeToString()
    if samples is not None and len(quantized) > _SMALLER * len(content):
        progress.say(
            f"int8 makes the file no smaller: {len(quantized) / 1e6:.2f} MB, in float32 {len(content) / 1e6:.2f} MB. Most weights are in "
            "layers that stay in float32, such as locally connected ones; --quantize float16 halves them"
        )
    return quantized


def opened(to: str, file: Path, threads: int | None = None) -> Runtime:
    """Open a file in the runtime of its format; threads: as many as cores by default.

    Raises:
        ExportError: if the runtime does not accept it.
    """
    with refusals_named(to), quietly():
        return (litert.InLiteRT if to == LITERT else onnx_file.InONNXRuntime)(file, threads or cores())


@contextmanager
def refusals_named(to: str) -> Iterator[None]:
    """Turn errors of the runtime of a format into an `ExportError`."""
    try:
        yield
    except Exception as error:  # the errors of ONNX Runtime have no base class of their own
        if not isinstance(error, ValueError | RuntimeError) and not type(error).__module__.startswith("onnxruntime"):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(f"The runtime of {to} does not accept the converted file: {reason}. Nothing was published.") from None


def add_facts(file: Path, to: str, facts: dict[str, Any]) -> None:
    """Write facts into a file, readable without this package."""
    (litert if to == LITERT else onnx_file).add_facts(file, facts)


def read_facts(file: Path, to: str | None = None) -> dict[str, Any]:
    """Return the facts in a file; None: its name says the format."""
    to = to or (ONNX if file.suffix == SUFFIXES[ONNX] else LITERT)
    return (litert if to == LITERT else onnx_file).read_facts(file)


def facts(source: Source, run: str, labels: list[str], data: DataConfig, quantize: str | None, accuracy: float) -> dict[str, Any]:
    """Return what is written into a file.

    Args:
        source: what was converted.
        run: name of the run.
        labels: in the order of the probabilities.
        data: how an image becomes pixels.
        quantize: int8, float16 or None.
        accuracy: of this very file on the test images.
    """
    return {
        "labels": labels,
        "size": source.size,
        "resize": data.resize,
        "value_range": data.value_range,
        "input": f"images: float32 [n, {source.size}, {source.size}, 3], RGB in 0..255",
        "outputs": list(source.outputs),
        "run": run,
        "quantization": quantize or "none",
        "test_accuracy": round(accuracy, 6),
        "made_by": f"transfer {__version__}",
    }


def require_unchanged(file: Path, to: str, labels: list[str], images: np.ndarray, measured: Measured) -> None:
    """Check that a file with its facts still opens and gives the same answers in a batch of another size.

    Args:
        file: finished.
        to: its format.
        labels: expected in its facts.
        images: the first test images, uint8 [m, size, size, 3]; a few of them are used.
        measured: what the file answered before it had its facts.

    Raises:
        ExportError: if an answer differs.
    """
    again = opened(to, file).run(images[:_AGAIN].astype(np.float32))["probabilities"]
    difference = largest_difference(again, measured.outputs["probabilities"][: len(again)])
    if not difference <= _ROUNDING or read_facts(file, to)["labels"] != labels:
        raise ExportError(
            f"The finished {to} file is not what was measured: a probability differs by {difference:.2g}. "
            "Nothing was published. This is a defect of this package."
        )
