"""The images of a run, found again: an export is measured only on images that have not changed since they were scanned."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from transfer.data import dataset as manifests
from transfer.data import pipeline
from transfer.data.changed import changes
from transfer.data.storage import Root, shown
from transfer.errors import DataError

_KIND = ("format", "traits", "status", "value_range")
"""Columns of the manifest that say how an image is decoded."""


def find(root: Root, rows: pd.DataFrame) -> list[bytes]:
    """Return for each row of the manifest the path whose bytes the decoder is given.

    Args:
        root: folder to which the paths of the manifest are relative.
        rows: of images that are used.

    Raises:
        DataError: if files are missing or have changed since they were scanned.
    """
    problems = [(str(path), why) for path, why in zip(rows["path"], changes(root, rows), strict=True) if why]
    if problems:
        path, why = problems[0]
        raise DataError(
            f"{len(problems)} of {len(rows)} images are missing or have changed since they were scanned, so the export cannot be "
            f"measured. Expected unchanged files; otherwise fit again. Received {path!r} in {str(root)!r}: {why}."
        )
    return pipeline.files_of(root, rows)


def sample(rows: pd.DataFrame, most: int | None) -> np.ndarray:
    """Choose the images with which an export is verified: as many kinds of files as there are, then the classes in turn.

    First comes one image of each combination of format, traits, status and value range, since each may be decoded in another way, the
    most frequent first. Images are taken in the order of their digests: neither the order of the rows nor their number moves one.

    Args:
        rows: of the manifest.
        most: number of images; None: all.

    Returns:
        Positions in `rows` in the order of choice; all of them, in the order of the rows, if there are no more than `most`.
    """
    if most is None or len(rows) <= most:
        return np.arange(len(rows))
    table = rows[["digest", "path", "label"]].assign(
        position=np.arange(len(rows)), kind=rows.groupby(list(_KIND), sort=False, dropna=False).ngroup().to_numpy()
    )  # fmt: skip
    table = table.sort_values(["digest", "path"], kind="stable")
    images = table.groupby("kind")["kind"].transform("size")
    first = table.assign(images=images)[~table.duplicated("kind")].sort_values("images", ascending=False, kind="stable").head(most)
    rest = table.drop(index=first.index)
    taken = first["label"].value_counts().reindex(rest["label"], fill_value=0).to_numpy()
    turn = rest.groupby("label").cumcount().to_numpy() + taken
    rest = rest.assign(turn=turn).sort_values(["turn", "label"], kind="stable").head(most - len(first))
    return np.concatenate([first["position"].to_numpy(), rest["position"].to_numpy()])


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
        name = shown(files[expected])
        raise DataError(f"An image could not be decoded: {pipeline.why_undecodable(files[expected], image_spec)}. Received {name!r}.")


def calibration_rows(manifest: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Return `count` random rows of the training split, or all of them if there are fewer."""
    rows = manifests.used(manifest)
    rows = rows[rows["split"] == "train"]
    return rows.sample(min(count, len(rows)), random_state=seed)
