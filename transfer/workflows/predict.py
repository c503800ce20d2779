"""Classify images with a run's export: files and folders in, a table out. `serving/batch` writes tables too large for memory."""

import os
from collections.abc import Iterable

import pandas as pd

from transfer.exporters.served import Served
from transfer.runs import Run
from transfer.serving.batch.answering import Predictor
from transfer.serving.batch.request import listed, require_batch_size
from transfer.serving.batch.tables import Rows
from transfer.system.progress import Progress, Silent


def predict(
    run: Run, paths: Iterable[str | os.PathLike[str]], batch_size: int | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Classify images with the exported SavedModel.

    Args:
        run: its export is used.
        paths: images, or folders whose files are all tried.
        batch_size: largest number of images per batch; None: depends on their size.
        progress: reports each image; None: nothing is printed.

    Returns:
        One row per file: path, label, score, ood_score (float32, 1 is the threshold), is_ood (bool), error (empty if it
        was classified), then one column for each class. If a file was not classified, its label is empty, its figures are
        NaN, and `is_ood` is False.

    Raises:
        ConfigError: if the batch size is below 1.
        DataError: if a path does not exist or there are no files.
        RunError: if the export cannot be loaded.
    """
    require_batch_size(batch_size, "batch_size")
    files = listed(paths)
    predictor = Predictor.of(run, Served(run.export, run.trust), batch_size)
    with (progress or Silent()).step("Predicting", len(files)) as advance:
        rows = Rows.joined(list(predictor.answers(files, advance)))
    return rows.table(files, predictor.served.labels)
