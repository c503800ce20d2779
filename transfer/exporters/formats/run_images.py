"""The images of a run, found again: an export is measured only on images that have not changed since they were scanned."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from transfer.data import dataset as manifests
from transfer.data import pipeline
from transfer.errors import DataError


def find(root: Path, rows: pd.DataFrame) -> list[bytes]:
    """Return for each row of the manifest the path whose bytes the decoder is given.

    Args:
        root: folder to which the paths of the manifest are relative.
        rows: of images that are used.

    Raises:
        DataError: if files are missing or have changed since they were scanned.
    """
    problems = [(str(row["path"]), why) for _, row in rows.iterrows() if (why := pipeline.why_changed(root, row))]
    if problems:
        path, why = problems[0]
        raise DataError(
            f"{len(problems)} of {len(rows)} images are missing or have changed since they were scanned, so the export cannot be "
            f"measured. Expected unchanged files; otherwise fit again. Received {path!r} in {str(root)!r}: {why}."
        )
    return pipeline.files_of(root, rows)


def decoded(files: Sequence[bytes], image_spec: pipeline.ImageSpec, batch_size: int) -> Iterator[np.ndarray]:
    """Yield all images in order as batches uint8 [b, size, size, 3], decoded as in training and serving.

    Raises:
        DataError: if a file cannot be decoded.
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
        raise DataError(f"An image could not be decoded: {pipeline.why_undecodable(files[expected], image_spec)}. Received {name!r}.")


def calibration_rows(manifest: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Return `count` random rows of the training split, or all of them if there are fewer."""
    rows = manifests.used(manifest)
    rows = rows[rows["split"] == "train"]
    return rows.sample(min(count, len(rows)), random_state=seed)
