"""Prediction with a run's export: files and folders in, a table out. For tables too large for memory, see `batch/job.py`."""

import os
from collections.abc import Iterable

import pandas as pd

from transfer.errors import ConfigError
from transfer.exporters.served import Served
from transfer.runs import Run
from transfer.serving.batch import answering
from transfer.serving.batch.files import expand
from transfer.serving.batch.images import Decoder, settings_of
from transfer.serving.batch.rows import FACTS, Rows
from transfer.system.progress import Progress, Silent

__all__ = ["COLUMNS", "expand", "predict"]

COLUMNS = FACTS


def predict(
    run: Run, paths: Iterable[str | os.PathLike[str]], batch_size: int | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Classify images with the exported SavedModel.

    Args:
        run: whose export is used.
        paths: images, or folders whose files are all tried.
        batch_size: images given to the network at once, at most; none: as many as suit their size.
        progress: told of each image.

    Returns:
        One row for each file: path, label, score, ood_score (float32, 1 being the threshold), known (bool), error (empty
        where it was classified), then one column for each class. Where it was not, the label is empty, figures are NaN, and
        `is_ood` is False.

    Raises:
        ConfigError: for a batch size below 1.
        DataError: where a path does not exist or there is no file at all.
        RunError: where the export cannot be loaded.
    """
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"batch_size: expected at least 1. Received {batch_size!r}.")
    files = [os.fspath(file) for file in expand(paths)]
    served = Served(run.export)
    decoder = Decoder(settings_of(run, served.size))
    batch_size = batch_size or answering.batch_of(served.size)
    step = answering.segment_size(batch_size)
    segments = (files[start : start + step] for start in range(0, len(files), step))
    with (progress or Silent()).step("Predicting", len(files)) as advance:
        rows = Rows.joined(list(answering.answers(served, decoder, segments, batch_size, advance)))
    return rows.table(files, served.labels)
