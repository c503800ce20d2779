"""Batch prediction with a run's export: files and folders in, a table out."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from transfer.data.transcode import UnreadableError, opened, readable_bytes
from transfer.errors import DataError
from transfer.evaluation import predictions
from transfer.export.served import Served, batched
from transfer.progress import Progress, Silent
from transfer.run import Run

COLUMNS = ["path", "label", "score", "error"]


def predict(run: Run, paths: Iterable[str | os.PathLike[str]], batch_size: int = 32, progress: Progress | None = None) -> pd.DataFrame:
    """Classify pictures with the exported SavedModel.

    Args:
        run: whose export is used.
        paths: pictures, or folders whose files are all tried.
        batch_size: pictures given to the model at once, at most.
        progress: told of each picture.

    Returns:
        One row for each file: path, label, score, error (empty where it was classified), then one column for each class.

    Raises:
        DataError: where a path does not exist or there is no file at all.
        RunError: where the export cannot be loaded.
    """
    files = expand(paths)
    served = Served(run.export)
    limit = float(run.config.get("data.max_megapixels", 100.0))
    errors, pixels = _headers(files, limit)
    probabilities = np.full((len(files), len(served.labels)), np.nan, np.float32)
    good = [position for position, error in enumerate(errors) if not error]
    with (progress or Silent()).step("Predicting", len(good)) as advance:
        names = [os.fsencode(files[position]) for position in good]
        for within, batch in batched(names, batch_size, _read, [pixels[position] for position in good]):
            positions = [good[number] for number in within]
            _classify(served, positions, batch, probabilities, errors)
            advance(len(positions))
    found = ~np.isnan(probabilities[:, 0])
    best = np.where(found, np.nan_to_num(probabilities).argmax(1), 0)
    facts = pd.DataFrame(
        {
            "path": [str(file) for file in files],
            "label": [served.labels[number] if ok else "" for number, ok in zip(best, found, strict=True)],
            "score": probabilities[np.arange(len(files)), best],
            "error": errors,
        },
        dtype=object,
    ).astype({"score": np.float32})
    return predictions.table(facts, probabilities, served.labels)


def expand(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the files of all paths; of folders, all files below that are not hidden, in order."""
    files: list[Path] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            for parent, folders, names in os.walk(path):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                files += [Path(parent) / name for name in sorted(names) if not name.startswith(".")]
        elif path.exists():
            files.append(path)
        else:
            raise DataError(f"There is no such picture or folder. Received {str(given)!r}.")
    if not files:
        raise DataError("No file was found. Expected pictures, or folders of pictures.")
    return files


def _headers(files: Sequence[Path], max_megapixels: float) -> tuple[list[str], list[int]]:
    """Look at each file's header; return for each why it cannot be used (empty: it can), and its pixels."""
    errors, pixels = [], []
    for file in files:
        area = 0
        try:
            data = file.read_bytes() if file.is_file() else b""
            with opened(data) as image:
                area = image.size[0] * image.size[1]
            too_large = area > max_megapixels * 1e6
            errors.append(f"too large: {area / 1e6:.0f} megapixels, the limit is {max_megapixels:g}" if too_large else "")
        except UnreadableError as error:
            errors.append(str(error))
        except OSError as error:
            errors.append(f"cannot be read: {error.strerror}")
        pixels.append(area)
    return errors, pixels


def _read(file: bytes) -> bytes:
    try:
        return readable_bytes(Path(os.fsdecode(file)).read_bytes())
    except (UnreadableError, OSError):
        return b""  # the model refuses it, and it is named below


def _classify(served: Served, positions: list[int], batch: list[bytes], probabilities: np.ndarray, errors: list[str]) -> None:
    """Classify a batch; where one picture of it is damaged, one at a time."""
    try:
        probabilities[positions] = served.probabilities(batch)
    except tf.errors.OpError:
        if len(batch) == 1:
            errors[positions[0]] = "damaged: truncated or broken"
            return
        for position, picture in zip(positions, batch, strict=True):
            _classify(served, [position], [picture], probabilities, errors)
