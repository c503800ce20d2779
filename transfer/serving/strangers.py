"""How well a run tells pictures of other data from its own: asked of its export, kept in its metrics."""

import json
import os
from pathlib import Path
from typing import Any

from transfer.errors import DataError
from transfer.evaluation import ood
from transfer.runs import METRICS, Run
from transfer.system.files import write_text
from transfer.system.progress import Progress
from transfer.workflows.predict import predict


def judge(run: Run, other: Path, progress: Progress) -> dict[str, Any]:
    """Let a run's export judge pictures of other data, and keep the figures with the run, under the name of their folder.

    Args:
        run: finished; its `metrics.json` is written anew.
        other: a picture, or a folder of pictures.
        progress: told of each picture.

    Returns:
        What `familiarity.against` returns.

    Raises:
        DataError: where there is no picture that can be decoded.
    """
    table = predict(run, [other], progress=progress)
    scores = table.loc[table["error"] == "", "unfamiliarity"].to_numpy(float)
    if not len(scores):
        raise DataError(f"None of the files is a picture that can be decoded. Received {str(other)!r}.")
    test = run.predictions[run.predictions["split"] == "test"]["unfamiliarity"].to_numpy(float)
    found = ood.against(test, scores)
    metrics = run.metrics
    name = os.fsdecode(os.fsencode(other.resolve().name)) or str(other)
    metrics["familiarity"]["others"][name] = found
    write_text(run.path / METRICS, json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    return found
