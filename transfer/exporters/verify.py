"""An export is published only when it agrees with what was trained, on real test files, at two batch sizes."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import keras
import numpy as np

from transfer.config import ExportConfig
from transfer.data.pipeline import ImageSpec, batches
from transfer.errors import ExportError
from transfer.exporters.served import Answers, Served, batched
from transfer.system.progress import Progress

_SINGLE = 8  # images that are also sent one at a time
_BY_KERAS = 16  # images that also go through the Keras file


@dataclass(frozen=True)
class Verified:
    """What the export said of the test files, and how far it was from the other paths.

    Attributes:
        answers: of all of them.
        differences: largest difference of a probability: `stored` (features of the store and the head), `keras` (the
            reloaded .keras file), `batch_1` (the export itself, one image at a time); and `ood_score`: its largest
            difference from the stored-feature path.
    """

    answers: Answers
    differences: dict[str, float]


def verify(
    served: Served,
    keras_file: Path,
    files: Sequence[bytes],
    pixels: Sequence[int],
    stored: np.ndarray,
    ood_score: np.ndarray,
    image_spec: ImageSpec,
    settings: ExportConfig,
    in_16bit: bool,
    progress: Progress,
) -> Verified:
    """Give a reloaded export the bytes of all test files, and compare.

    Args:
        served: the export.
        keras_file: the joined model.
        files: paths of the test files.
        pixels: pixels of each, to keep batches of large images small.
        stored: probabilities by the stored-feature path, [n, classes].
        ood_score: by the same path, of the first of them, [m].
        image_spec: how files are decoded for the Keras model.
        settings: the larger batch size (the other is 1) and the largest accepted differences.
        in_16bit: whether any part computes or stores in 16 bit.
        progress: told of each image.

    Raises:
        ExportError: where they differ by more.
    """
    answers = answer(served, files, pixels, settings.batch_size, progress)
    probabilities = answers.probabilities
    single = np.concatenate([served.probabilities([_read(file)]) for file in files[:_SINGLE]])
    differences = {
        "stored": _largest(probabilities, stored),
        "keras": _largest(probabilities[:_BY_KERAS], _by_keras(keras_file, files[:_BY_KERAS], image_spec)),
        "batch_1": _largest(probabilities[:_SINGLE], single),
        "ood_score": _largest(answers.ood_score[: len(ood_score)], ood_score),
    }
    tolerance = settings.tolerance_16bit if in_16bit else settings.tolerance_float32
    for path, difference in differences.items():
        accepted = settings.tolerance_ood_score if path == "ood_score" else tolerance
        if not difference <= accepted:
            what = "the distance to the training images" if path == "ood_score" else "a probability"
            raise ExportError(
                f"The export does not agree with what was trained ({path}): {what} differs by {difference:.2g}. "
                f"Expected at most {accepted:g}. The run was not published."
            )
    return Verified(answers, differences)


def answer(served: Served, files: Sequence[bytes], pixels: Sequence[int], batch_size: int, progress: Progress) -> Answers:
    """Let an export answer for all of these files, which can be decoded; their pixels keep batches of large ones small."""
    parts = []
    with progress.step("Testing the export", len(files)) as advance:
        for positions, data in batched(files, batch_size, _read, pixels):
            parts.append(served.answer(data))
            advance(len(positions))
    return Answers(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Answers)))


def _by_keras(file: Path, files: Sequence[bytes], image_spec: ImageSpec) -> np.ndarray:
    model: Callable[..., np.ndarray] = keras.saving.load_model(file, compile=False, safe_mode=True)
    return np.concatenate([np.asarray(model(images.numpy().astype(np.float32))) for _, images in batches(files, image_spec, len(files))])


def _read(file: bytes) -> bytes:
    return Path(os.fsdecode(file)).read_bytes()


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))
