"""An export is published only when it agrees with what was trained, on real test files, at two batch sizes."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from transfer.data.pipeline import Pictures, batches
from transfer.errors import ExportError
from transfer.export.served import Served, batched
from transfer.progress import Progress

_SINGLE = 8  # pictures that are also sent one at a time
_BY_KERAS = 16  # pictures that also go through the Keras file


@dataclass(frozen=True)
class Verified:
    """What the export said of the test files, and how far it was from the other paths.

    Attributes:
        probabilities: float32 [n, classes].
        differences: largest difference of a probability: `stored` (features of the store and the head), `keras` (the
            reloaded .keras file), `batch_1` (the export itself, one picture at a time).
    """

    probabilities: np.ndarray
    differences: dict[str, float]


def verify(
    export: Path,
    keras_file: Path,
    files: Sequence[bytes],
    pixels: Sequence[int],
    stored: np.ndarray,
    pictures: Pictures,
    batch_size: int,
    tolerance: float,
    progress: Progress,
) -> Verified:
    """Reload an export, give it the bytes of all test files, and compare.

    Args:
        export: the SavedModel's version folder.
        keras_file: the joined model.
        files: paths of the test files.
        pixels: pixels of each, to keep batches of large pictures small.
        stored: probabilities by the stored-feature path, [n, classes].
        pictures: how files are decoded for the Keras model.
        batch_size: the larger batch size; the other is 1.
        tolerance: largest accepted difference of a probability.
        progress: told of each picture.

    Raises:
        ExportError: where they differ by more.
    """
    served = Served(export)
    probabilities = np.empty_like(stored, dtype=np.float32)
    with progress.step("Testing the export", len(files)) as advance:
        for positions, data in batched(files, batch_size, _read, pixels):
            probabilities[positions] = served.probabilities(data)
            advance(len(positions))
    single = np.concatenate([served.probabilities([_read(file)]) for file in files[:_SINGLE]])
    differences = {
        "stored": _largest(probabilities, stored),
        "keras": _largest(probabilities[:_BY_KERAS], _by_keras(keras_file, files[:_BY_KERAS], pictures)),
        "batch_1": _largest(probabilities[:_SINGLE], single),
    }
    for path, difference in differences.items():
        if not difference <= tolerance:
            raise ExportError(
                f"The export does not agree with what was trained ({path}): a probability differs by {difference:.2g}. "
                f"Expected at most {tolerance:g}. The run was not published."
            )
    return Verified(probabilities, differences)


def _by_keras(file: Path, files: Sequence[bytes], pictures: Pictures) -> np.ndarray:
    model: Callable[..., np.ndarray] = keras.saving.load_model(file, compile=False, safe_mode=True)
    return np.concatenate([np.asarray(model(images.numpy().astype(np.float32))) for _, images in batches(files, pictures, len(files))])


def _read(file: bytes) -> bytes:
    return Path(os.fsdecode(file)).read_bytes()


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float64) - b).max())
