"""Export a run: load it, convert it, measure the export on the test images, and publish it only if it passes."""

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfer.data import dataset as manifests
from transfer.data import sources
from transfer.data.pipeline import ImageSpec
from transfer.data.storage import Root, read_bytes
from transfer.errors import ExportError, RunError
from transfer.evaluation.ood import Reference
from transfer.exporters import saved_model, warmup
from transfer.exporters.formats import INT8, SAVEDMODEL, graph, measure, model_file, run_images, table
from transfer.exporters.formats.measure import Measured, Runtime
from transfer.exporters.served import Served
from transfer.exporters.verify import largest_difference
from transfer.models import keras_file
from transfer.runs import EXPORT, Run
from transfer.system.files import clear_up, publishing, replacing
from transfer.system.progress import Progress, shown
from transfer.workflows import card
from transfer.workflows.run import opened
from transfer.workflows.run_requests import ExportRequest, export_request

_AS_BYTES = 8  # test files that a new SavedModel also classifies from their bytes


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        path: the file, or the folder of a SavedModel.
        entries: the run's table of exports (`table.py`), with this one.
    """

    path: Path
    entries: list[table.Entry]


def export(
    run: Run | str | os.PathLike[str],
    to: str,
    *,
    quantize: str | None = None,
    output: str | os.PathLike[str] | None = None,
    assert_accuracy: float | None = None,
    max_accuracy_loss: float | None = None,
    calibration_images: int | None = None,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
) -> Exported:
    """Write a run's classifier as LiteRT, ONNX or SavedModel, after measuring it on the test images.

    Args:
        run: a run, its folder, or its name under `saved_models`.
        to: `litert`, `onnx` or `savedmodel`.
        quantize: `int8` or `float16` for a smaller file; none: weights in float32.
        output: file, or folder of a SavedModel; none: in the run's `export/`, a SavedModel as its next version.
        assert_accuracy: smallest accepted test accuracy, 0 to 1.
        max_accuracy_loss: largest accepted loss of test accuracy against the SavedModel, 0 to 1; none: the run's setting.
        calibration_images: with `int8`, the number of training images for calibration; none: the run's setting.
        overwrite: replace a file at `output`.
        progress: True, False, or an object with `step` and `say`; none: shown on a terminal and in a notebook, silent elsewhere.

    Raises:
        ConfigError: for invalid settings.
        OutputError: if `output` is taken, in the user's data, or cannot be written.
        ExportError, DataError, RunError: as `carry_out`.
    """
    request = export_request(
        opened(run), to, quantize, output, assert_accuracy, calibration_images, overwrite, max_accuracy_loss
    )  # fmt: skip
    return carry_out(request, shown(progress))


def carry_out(request: ExportRequest, progress: Progress) -> Exported:
    """Carry out a request; see `export`.

    Raises:
        ExportError: if the run cannot be converted, or the export disagrees with the SavedModel, loses accuracy, or is below
            the required accuracy.
        DataError: if test or calibration images are missing or have changed.
        RunError: if a file of the run cannot be read.
    """
    loaded = _load(request, progress)
    with _place(request) as draft:
        converted = _convert(request, loaded, draft, progress)
        measured = _measure(request, loaded, converted, progress)
        score = _judge(request, loaded, measured, progress)
        _complete(request, loaded, measured, score, draft)
        entries = _entries(request, loaded, measured, score, draft)
    return Exported(request.output, table.add(request.run, entries))


@dataclass(frozen=True)
class _Loaded:
    """The parts of a finished run that an export needs.

    Attributes:
        source: the newest SavedModel.
        labels: class names, in the order of the probabilities.
        root: folder that the paths of the manifest are relative to.
        test_files: paths of the test images, which are unchanged.
        truth: class numbers of the test files, int [n].
        image_spec: how files become images.
    """

    source: graph.Source
    labels: list[str]
    root: Root
    test_files: list[bytes]
    truth: np.ndarray
    image_spec: ImageSpec


@dataclass(frozen=True)
class _Measurements:
    """The SavedModel and the new export on the same test images, and the first batch of these, uint8 [b, size, size, 3]."""

    reference: Measured
    new: Measured
    first: np.ndarray


def _load(request: ExportRequest, progress: Progress) -> _Loaded:
    rows = manifests.used(request.run.manifest)
    labels = manifests.class_names(rows)
    test = rows[rows["split"] == "test"]
    root = sources.root(request.config.data, progress)
    found = run_images.find(root, test)
    source = graph.read(request.run.export, request.run.trust)
    truth = np.array([labels.index(label) for label in test["label"]])
    return _Loaded(source, labels, root, found, truth, ImageSpec(source.size, request.config.data))


@contextmanager
def _place(request: ExportRequest) -> Iterator[Path]:
    """Yield a draft of the file or folder; publish it on success, delete it on failure."""
    if request.to != SAVEDMODEL:
        with replacing(request.output) as draft:
            yield draft
        return
    request.output.parent.mkdir(parents=True, exist_ok=True)
    clear_up(request.run.path / EXPORT)
    with publishing(request.output) as draft:
        yield draft
        if os.path.lexists(request.output):  # another process has published this version in the meantime
            raise RunError(f"The folder of the SavedModel was created by another process. Try again. Received {str(request.output)!r}.")


def _convert(request: ExportRequest, loaded: _Loaded, draft: Path, progress: Progress) -> Runtime:
    """Write the draft and open it."""
    if request.to == SAVEDMODEL:
        progress.say("Writing the SavedModel")
        return _written_again(request, loaded, draft)
    samples = _calibration_images(request, loaded, progress) if request.quantize == INT8 else None
    progress.say(f"Converting to {request.to}" + (f", {request.quantize}" if request.quantize else ""))
    draft.write_bytes(model_file.convert(loaded.source, request.to, request.quantize, samples, progress))
    return model_file.opened(request.to, draft)


def _written_again(request: ExportRequest, loaded: _Loaded, draft: Path) -> graph.Source:
    """Write a SavedModel from `model.keras`, with the warm-up requests of the run's newest SavedModel."""
    run = request.run
    model = keras_file.load(run.model, run.trust)
    saved_model.write(model, loaded.labels, loaded.image_spec, Reference.read(run.ood_reference), draft)
    requests = run.export / warmup.FILE
    if requests.is_file():
        (draft / warmup.FILE).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(requests, draft / warmup.FILE)
    return graph.read(draft, trust=True)  # made here


def _calibration_images(request: ExportRequest, loaded: _Loaded, progress: Progress) -> np.ndarray:
    """Return training images uint8 [n, size, size, 3]."""
    rows = run_images.calibration_rows(request.run.manifest, request.calibration_images, request.config.seed)
    found = run_images.find(loaded.root, rows)
    parts = []
    with progress.step("Decoding calibration images", len(found)) as advance:
        for batch in run_images.decoded(found, loaded.image_spec, request.config.export.batch_size):
            parts.append(batch)
            advance(len(batch))
    return np.concatenate(parts)


def _measure(request: ExportRequest, loaded: _Loaded, converted: Runtime, progress: Progress) -> _Measurements:
    decoded = run_images.decoded(loaded.test_files, loaded.image_spec, request.config.export.batch_size)
    first = next(decoded)
    batches = itertools.chain([first], decoded)
    with model_file.refusals_named(request.to):
        reference, new = measure.measure([loaded.source, converted], batches, len(loaded.test_files), progress)
    return _Measurements(reference, new, first)


def _judge(request: ExportRequest, loaded: _Loaded, measured: _Measurements, progress: Progress) -> dict[str, Any]:
    """Check accuracy and agreement; return the accuracy and, for other formats, the agreement with the SavedModel."""
    agrees = measure.agreement(measured.new.outputs, measured.reference.outputs)
    scored = measure.accuracy(measured.new.outputs["probabilities"], loaded.truth)
    if request.quantize is None:
        measure.require_agreement(request.to, agrees, request.config)
    measure.require_accuracy(request.to, scored, request.assert_accuracy)
    outputs = measured.new.outputs, measured.reference.outputs
    if doubt := measure.require_accuracy_kept(request.to, request.quantize, *outputs, loaded.truth, request.max_accuracy_loss):
        progress.say(doubt)
    return scored if request.to == SAVEDMODEL else scored | agrees


def _complete(request: ExportRequest, loaded: _Loaded, measured: _Measurements, score: dict[str, Any], draft: Path) -> None:
    """Add metadata to a file and verify it again; verify a SavedModel on encoded images."""
    if request.to != SAVEDMODEL:
        name = request.run.path.resolve().name
        facts = model_file.facts(loaded.source, name, loaded.labels, request.config.data, request.quantize, score["accuracy"])
        model_file.add_facts(draft, request.to, facts)
        model_file.require_unchanged(draft, request.to, loaded.labels, measured.first, measured.new)
        return
    saved_model.add_card(draft, card.rendered(request.run, request.run.path.resolve().name))
    encoded = [read_bytes(file) for file in loaded.test_files[:_AS_BYTES]]
    served = Served(draft, trust=True)
    difference = largest_difference(served.probabilities(encoded), measured.new.outputs["probabilities"][: len(encoded)])
    if not difference <= request.config.export.tolerance_16bit or served.labels != loaded.labels:
        raise ExportError(
            f"The new SavedModel gives other answers for encoded images: a probability differs by {difference:.2g}. Nothing was published."
        )


def _entries(request: ExportRequest, loaded: _Loaded, measured: _Measurements, score: dict[str, Any], draft: Path) -> list[table.Entry]:
    """Return the new entries of the table; for other formats also that of the SavedModel it was compared with."""
    run, size = request.run, table.bytes_of(draft)
    entry = table.entry(run, request.to, request.quantize, request.output, size, score, measured.new)
    if request.to == SAVEDMODEL:
        return [entry]
    scored = measure.accuracy(measured.reference.outputs["probabilities"], loaded.truth)
    return [table.entry(run, SAVEDMODEL, None, run.export, table.bytes_of(run.export), scored, measured.reference), entry]
