"""A run's SavedModel made again from `model.keras`, as the next version, which a running server picks up."""

import os
import shutil
from pathlib import Path

import keras
import numpy as np

from transfer.errors import ExportError, RunError
from transfer.evaluation.ood import Reference
from transfer.exporters import saved_model, warmup
from transfer.exporters.formats import graph, judging, measure, runtimes, split_images, table
from transfer.exporters.formats.material import Material
from transfer.exporters.formats.request import SAVEDMODEL, Request
from transfer.exporters.served import Served
from transfer.runs import EXPORT
from transfer.system.files import clear_up, publishing
from transfer.system.progress import Progress
from transfer.system.resources import cores

_AS_BYTES = 8  # test files that are also sent as they lie on disk


def renew(request: Request, material: Material, progress: Progress) -> tuple[Path, list[table.Entry]]:
    """Write, measure and publish the SavedModel; return its folder and its line in the table.

    Raises:
        ExportError: where it disagrees with the one that there is, or stays below the accuracy asked for.
        RunError: where `model.keras` or the images kept for comparison cannot be read.
    """
    run = request.run
    final = request.output or run.path / EXPORT / str(int(run.export.name) + 1)
    try:
        model = keras.saving.load_model(run.model, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"The Keras model cannot be read: {str(error).splitlines()[0]}. Received {str(run.model)!r}.") from None
    reference = Reference.read(run.ood_reference)
    progress.say("Writing the SavedModel")
    final.parent.mkdir(parents=True, exist_ok=True)
    clear_up(run.path / EXPORT)
    with publishing(final) as folder:
        saved_model.write(model, material.labels, material.image_spec, reference, folder)
        warm = run.export / warmup.FILE
        if warm.is_file():
            (folder / warmup.FILE).parent.mkdir(parents=True)
            shutil.copyfile(warm, folder / warmup.FILE)
        line = _measured(request, material, folder, final, progress)
        if os.path.lexists(final):  # another process has published this version meanwhile
            raise RunError(f"The folder of the SavedModel exists by now. Try again. Received {str(final)!r}.")
    return final, [line]


def _measured(request: Request, material: Material, folder: Path, final: Path, progress: Progress) -> table.Entry:
    threads = cores()
    before, renewed = runtimes.InTensorFlow(material.source), runtimes.InTensorFlow(graph.read(folder))
    batches = split_images.decoded(material.files, material.image_spec, request.config.export.batch_size)
    reference, ours = measure.measure([before, renewed], batches, len(material.files), progress)
    scored = measure.accuracy(ours.outputs["probabilities"], material.truth)
    judging.require_agreement(request, measure.agreement(ours.outputs, reference.outputs))
    judging.require_accuracy(request, scored)
    files = [Path(os.fsdecode(file)).read_bytes() for file in material.files[:_AS_BYTES]]
    served = Served(folder)
    difference = float(np.abs(served.probabilities(files) - ours.outputs["probabilities"][: len(files)]).max())
    if not difference <= request.config.export.tolerance_16bit or served.labels != material.labels:
        raise ExportError(f"The new SavedModel does not agree with itself on encoded images: {difference:.2g}. Nothing was published.")
    return judging.entry(request, SAVEDMODEL, None, final, judging.bytes_of(folder), scored, ours, renewed, threads)
