"""A run -> one file in another format, measured by its own runtime on the test images before it is published."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer import __version__
from transfer.errors import ExportError
from transfer.exporters.formats import judging, litert, measure, metadata, onnx_file, renewing, runtimes, split_images, table
from transfer.exporters.formats.material import Material, gather, samples
from transfer.exporters.formats.quiet import quietly
from transfer.exporters.formats.request import FLOAT16, INT8, LITERT, SAVEDMODEL, Request
from transfer.system.files import replacing
from transfer.system.progress import Progress
from transfer.system.resources import cores

_AGAIN = 8  # images that the finished file is given once more, in a batch of another size
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Exported:
    """What was made.

    Attributes:
        path: the file, or the folder of a SavedModel.
        entries: the run's table with it (`table.py`).
    """

    path: Path
    entries: list[table.Entry]


def export(request: Request, progress: Progress) -> Exported:
    """Carry out a request.

    Raises:
        ExportError: where it cannot be converted, disagrees with the SavedModel, or stays below the accuracy asked for.
        DataError: where the test images, or those for calibration, are gone or have changed.
        RunError: where a part of the run cannot be read.
    """
    material = gather(request, progress)
    if request.to == SAVEDMODEL:
        path, entries = renewing.renew(request, material, progress)
    else:
        assert request.output is not None
        path = request.output
        with replacing(path) as file:
            _convert(request, material, file, progress)
            entries = _measured(request, material, file, progress)
    kept = table.merged(table.read(request.run), entries)
    table.write(request.run, kept)
    return Exported(path, kept)


def _convert(request: Request, material: Material, file: Path, progress: Progress) -> None:
    images = samples(request, material, progress) if request.quantize == INT8 else None
    progress.say(f"Converting to {request.to}" + (f", {request.quantize}" if request.quantize else ""))
    if request.to == LITERT:
        converted = litert.convert(material.source, request.quantize == FLOAT16)
        file.write_bytes(converted if images is None else litert.in_8_bits(converted, images))
        return
    model = onnx_file.convert(material.source)
    if request.quantize == FLOAT16:
        onnx_file.in_16_bits(model)
    if images is not None:
        model = onnx_file.in_8_bits(model, images)
    file.write_bytes(model.SerializeToString())


def _measured(request: Request, material: Material, file: Path, progress: Progress) -> list[table.Entry]:
    """Measure the file beside the SavedModel, judge it, and write its facts into it; return the lines of both."""
    threads, served = cores(), runtimes.InTensorFlow(material.source)
    runtime = _opened(request.to, file, threads)
    decoded = split_images.decoded(material.files, material.image_spec, request.config.export.batch_size)
    first = next(decoded)
    batches = itertools.chain([first], decoded)
    with _refusals_named(request.to):
        reference, ours = measure.measure([served, runtime], batches, len(material.files), progress)
    scored = measure.accuracy(ours.outputs["probabilities"], material.truth)
    agrees = measure.agreement(ours.outputs, reference.outputs)
    judging.require_agreement(request, agrees)
    judging.require_accuracy(request, scored)
    content = metadata.facts(
        request.run.path.resolve().name, material.labels, material.source.size, request.config.data.resize,
        list(material.source.outputs), request.quantize, __version__, scored["accuracy"],
    )  # fmt: skip
    metadata.add(file, request.to, content)
    _require_unchanged(request, material, file, first[:_AGAIN], ours)
    of_served = measure.accuracy(reference.outputs["probabilities"], material.truth)
    folder = request.run.export
    assert request.output is not None
    return [
        judging.entry(request, SAVEDMODEL, None, folder, judging.bytes_of(folder), of_served, reference, served, threads),
        judging.entry(request, request.to, request.quantize, request.output, file.stat().st_size, scored | agrees, ours, runtime, threads),
    ]


def _require_unchanged(request: Request, material: Material, file: Path, images: np.ndarray, ours: measure.Measured) -> None:
    """Check that the file with its facts still opens, and says the same of images in another company."""
    runtime = _opened(request.to, file, cores())
    again = runtime.run(images.astype(np.float32))["probabilities"]
    difference = float(np.abs(again - ours.outputs["probabilities"][: len(again)]).max())
    if not difference <= _ROUNDING or metadata.read_as(file, request.to)["labels"] != material.labels:
        raise ExportError(
            f"The finished {request.to} file is not what was measured: a probability differs by {difference:.2g}. "
            "Nothing was published. This is a defect."
        )


def _opened(to: str, file: Path, threads: int) -> runtimes.Runtime:
    with _refusals_named(to), quietly():
        return runtimes.opened(to, file, threads)


@contextmanager
def _refusals_named(to: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        if not isinstance(error, ValueError | RuntimeError) and not type(error).__module__.startswith("onnxruntime"):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(f"The runtime of {to} refuses the converted file: {reason}. Nothing was published.") from None
