"""The images of one split of a finished run, found again: an export is measured on them only where they are unchanged."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.data import dataset as manifests
from transfer.data import pipeline
from transfer.data.decoding.transcode import UnreadableError, transcode
from transfer.errors import DataError


def find(root: Path, rows: pd.DataFrame) -> list[bytes]:
    """Return the file of each row of the manifest whose bytes the decoder is given.

    Raises:
        DataError: where files are gone or have changed since the run was made.
    """
    problems = [(str(row["path"]), why) for _, row in rows.iterrows() if (why := _why_not(root, row))]
    if problems:
        path, why = problems[0]
        raise DataError(
            f"{len(problems)} of {len(rows)} images are not as they were when the run was made, so the export cannot be measured. "
            f"Expected the files of manifest.csv, unchanged, or fit again. Received {path!r} in {str(root)!r}: {why}."
        )
    return pipeline.files_of(root, rows)


def _why_not(root: Path, row: "pd.Series[object]") -> str:
    """Return why a file is not the one of the manifest; empty: it is. What TensorFlow cannot decode is there as a PNG then."""
    try:
        data = (root / str(row["path"])).read_bytes()
    except OSError as error:
        return str(error.strerror)
    if hashlib.sha256(data).hexdigest() != row["digest"]:
        return "its content has changed"
    if row["status"] == "transcoded":
        try:
            transcode(data, str(row["digest"]))
        except UnreadableError as error:
            return str(error)
    return ""


def decoded(files: Sequence[bytes], image_spec: pipeline.ImageSpec, batch_size: int) -> Iterator[np.ndarray]:
    """Yield batches uint8 [b, size, size, 3] of all files, in order, by the decoder of training and serving.

    Raises:
        DataError: where a file cannot be decoded.
    """
    expected = 0
    for positions, images in pipeline.batches(files, image_spec, batch_size):
        found = positions.numpy().tolist()
        if found != list(range(expected, expected + len(found))):
            break
        expected += len(found)
        yield images.numpy()
    if expected < len(files):
        name = os.fsdecode(files[expected])
        raise DataError(f"An image cannot be decoded: {pipeline.why_undecodable(files[expected], image_spec)}. Received {name!r}.")


def calibration_rows(manifest: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Return `count` rows of the training split (all, where there are no more), drawn by the seed."""
    rows = manifests.used(manifest)
    rows = rows[rows["split"] == "train"]
    return rows.sample(min(count, len(rows)), random_state=seed)
