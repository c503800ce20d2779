"""Classify images with a run's export: files and folders in, a table out. `serving/batch` writes tables too large for memory."""

import os
from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfer.runs import Run
from transfer.serving.batch import prediction
from transfer.serving.batch.request import Paths, PredictRequest, config_of, identified, require_batch_size
from transfer.serving.settings import AUTO, require_engine
from transfer.system.progress import Progress, shown
from transfer.workflows.run import opened


def predict(
    run: Run | str | os.PathLike[str],
    paths: Paths,
    batch_size: int | None = None,
    progress: Progress | bool | None = None,
    compute: str = AUTO,
    engine: str | Mapping[str, Any] = "local",
) -> pd.DataFrame:
    """Classify images with the exported SavedModel.

    Args:
        run: a run, its folder, or its name under `saved_models`; its export is used.
        paths: images, or folders whose files are all tried; or a single one.
        batch_size: largest number of images per batch; None: depends on their size.
        progress: True, False, or an object with `step` and `say`; none: shown on a terminal and in a notebook, silent elsewhere.
        compute: the library that computes: `tensorflow`, `openvino`, or `auto` for the faster one on this machine, if both agree.
        engine: where the work runs: `local` for this process, `ray` for a cluster, or keys of the section `engine`, `{"kind": "ray", ...}`.

    Returns:
        One row per file: path, label, score, ood_score (float32, 1 is the threshold), is_ood (bool), error (empty if it
        was classified), then one column for each class. If a file was not classified, its label is empty, its figures are
        NaN, and `is_ood` is False.

    Raises:
        ConfigError: if the batch size is below 1, or there is no such engine.
        DataError: if a path does not exist or there are no files.
        RunError: if there is no such run, or its export cannot be loaded.
        EngineError: if OpenVINO is asked for, and is missing, fails, or gives other answers.
    """
    require_batch_size(batch_size, "batch_size")
    require_engine(compute, "compute")
    config = config_of([{"engine": {"kind": engine} if isinstance(engine, str) else engine}])
    files, known = identified(paths)
    request = PredictRequest(opened(run), files, None, batch_size, False, compute, config.engine, known, config.data.connections)
    rows, labels = prediction.rows_of(request, shown(progress))
    return rows.table(request.files, labels)
