"""An export is published only if it agrees with the trained model, on the bytes of test files and at two batch sizes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import keras
import numpy as np

from transfer.config import ExportConfig
from transfer.data.pipeline import ImageSpec, batches
from transfer.data.storage import contents, is_remote, read_bytes
from transfer.errors import ExportError
from transfer.exporters.served import Answers, Served
from transfer.system.progress import Progress

_LARGE_BYTES = 64 << 20  # of encoded images in one batch, at most
_AGAIN = 8  # images that are also classified one at a time, and by the Keras file


@dataclass(frozen=True)
class Verified:
    """The export's answers for test files, and how far they differ from other ways to compute them.

    Attributes:
        answers: for the n files.
        differences: largest difference of a probability from `stored` (stored features and the head), `keras` (the reloaded
            .keras file) and `batch_1` (the export itself, one image at a time); and `ood_score`: largest difference of the
            score from that of the stored features.
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
    """Classify the bytes of test files with a reloaded export, and compare.

    Args:
        served: the export.
        keras_file: the joined model.
        files: paths of n test files: of all, or of a sample.
        pixels: of each file, to keep batches of large images small.
        stored: their probabilities computed from stored features, [n, classes].
        ood_score: computed from stored features, for the first m of the files, [m].
        image_spec: how files are decoded for the Keras model.
        settings: the larger batch size (the other is 1) and the largest accepted differences.
        in_16bit: whether any part computes or stores in 16 bits.
        progress: advances with each batch.

    Raises:
        ExportError: if they differ by more.
    """
    answers = answer(served, files, pixels, settings.batch_size, progress)
    probabilities = answers.probabilities
    again = files[:_AGAIN]
    single = np.concatenate([served.probabilities([read_bytes(file)]) for file in again])
    differences = {
        "stored": largest_difference(probabilities, stored),
        "keras": largest_difference(probabilities[:_AGAIN], _by_keras(keras_file, again, image_spec)),
        "batch_1": largest_difference(probabilities[:_AGAIN], single),
        "ood_score": largest_difference(answers.ood_score[: len(ood_score)], ood_score),
    }
    tolerance = settings.tolerance_16bit if in_16bit else settings.tolerance_float32
    for path, difference in differences.items():
        accepted = settings.tolerance_ood_score if path == "ood_score" else tolerance
        if not difference <= accepted:
            what = "the OOD score" if path == "ood_score" else "a probability"
            raise ExportError(
                f"The export does not agree with the trained model ({path}): {what} differs by {difference:.2g}. "
                f"Expected at most {accepted:g}. The run was not published."
            )
    return Verified(answers, differences)


def answer(served: Served, files: Sequence[bytes], pixels: Sequence[int], batch_size: int, progress: Progress) -> Answers:
    """Classify files, which must be decodable; `pixels` of each keep batches of large images small."""
    parts = []
    with progress.step("Testing the export", len(files)) as advance:
        for positions, data in batched(files, batch_size, _reader(files), pixels):
            parts.append(served.answer(data))
            advance(len(positions))
    return Answers(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Answers)))


def batched(
    files: Sequence[bytes], batch_size: int, read: Callable[[bytes], bytes], pixels: Sequence[int] | None = None, most_pixels: int = 1 << 25
) -> Iterator[tuple[list[int], list[bytes]]]:
    """Read files into batches of at most `batch_size`, with fewer files if the images are large, to limit memory.

    Yields:
        Positions in `files`, and the bytes.
    """
    positions: list[int] = []
    batch: list[bytes] = []
    size = area = 0
    for position, file in enumerate(files):
        data = read(file)
        own = pixels[position] if pixels is not None else 0
        if batch and (len(batch) == batch_size or size + len(data) > _LARGE_BYTES or area + own > most_pixels):
            yield positions, batch
            positions, batch, size, area = [], [], 0, 0
        positions.append(position)
        batch.append(data)
        size, area = size + len(data), area + own
    if batch:
        yield positions, batch


def _by_keras(file: Path, files: Sequence[bytes], image_spec: ImageSpec) -> np.ndarray:
    model: Callable[..., np.ndarray] = keras.saving.load_model(file, compile=False, safe_mode=True)
    return np.concatenate([np.asarray(model(images.numpy().astype(np.float32))) for _, images in batches(files, image_spec, len(files))])


def _reader(files: Sequence[bytes]) -> Callable[[bytes], bytes]:
    """Return a function that reads the files, in turn; objects are read ahead."""
    if not any(map(is_remote, files)):
        return read_bytes
    ahead = contents(files)

    def following(file: bytes) -> bytes:
        data = next(ahead)
        if isinstance(data, OSError):
            raise data
        return data

    return following


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest absolute difference of two arrays of one shape: 0 if they are empty, NaN if one holds a NaN."""
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))
