"""evaluate(): judge a finished run's export on images with labels that it was not made from, or from another place."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer import runs
from transfer.data import dataset as manifests
from transfer.data import sources
from transfer.engines import opened as opened_engine
from transfer.errors import DataError
from transfer.evaluation import predictions
from transfer.evaluation.metrics import evaluate as metrics_of
from transfer.evaluation.metrics import share_difference
from transfer.reports import evaluated
from transfer.serving.batch import prediction
from transfer.serving.batch.request import PredictRequest
from transfer.serving.settings import AUTO
from transfer.system.files import publishing, write_text
from transfer.system.progress import Progress, shown
from transfer.system.spreadsheet import write_csv
from transfer.workflows.requests import Data
from transfer.workflows.run import opened
from transfer.workflows.run_requests import EvaluateRequest, evaluate_request
from transfer.workflows.settings import data_name

EVALUATION, PREDICTIONS, SKIPPED = "evaluation.json", "predictions.csv", "skipped.csv"

_LEARNT = ("train", "validation")  # of the run: trained on, or chosen by


@dataclass(frozen=True)
class Evaluation:
    """What a run's export is worth on other images.

    Attributes:
        run, data: names of the run, and of the images' folder, table or data set.
        metrics: of all images of the run's classes, as in `metrics.json`: `accuracy`, `accuracy_ci95`, `macro_f1`, `log_loss`, `ece`,
            `per_class`, `confusion`, ...
        own_test: `images`, `accuracy`, `accuracy_ci95` and `flagged` (out of distribution) of the run's own test split.
        difference: of the accuracy to that of the run's own test split, with its 95 % interval: (value, low, high).
        seen: how many of the images, by their bytes, are among those that the run was trained on, or chosen by: `train`, `validation`.
        unseen: as `metrics`, without those; None: there are none, or nothing is left.
        unseen_difference: as `difference`, without those.
        flagged: share of the images that are out of distribution, 0 to 1.
        unknown: classes of the data that the run does not know, and the images of each, which are left out.
        missing: classes of the run of which the data has no image.
        skipped: one row per file that could not be judged: path, reason.
        predictions: one row per image: path, label, predicted, ood_score, seen (the run's split that holds it), one column per class.
        path: folder with these as files; None: none was asked for.
    """

    run: str
    data: str
    metrics: dict[str, Any] = field(repr=False)
    own_test: dict[str, Any] = field(repr=False)
    difference: tuple[float, float, float]
    seen: dict[str, int]
    unseen: dict[str, Any] | None = field(repr=False)
    unseen_difference: tuple[float, float, float] | None
    flagged: float
    unknown: dict[str, int]
    missing: tuple[str, ...]
    skipped: pd.DataFrame = field(repr=False)
    predictions: pd.DataFrame = field(repr=False)
    path: Path | None = None

    @property
    def accuracy(self) -> float:
        """Share of the images that are classified as labelled, 0 to 1."""
        return float(self.metrics["accuracy"])

    def facts(self) -> dict[str, Any]:
        """Return all but the predictions, as JSON can hold it."""
        return {
            "run": self.run, "data": self.data, "metrics": self.metrics, "own_test": self.own_test, "difference": list(self.difference),
            "seen": self.seen, "unseen": self.unseen,
            "unseen_difference": list(self.unseen_difference) if self.unseen_difference else None, "flagged": self.flagged,
            "unknown_classes": self.unknown, "missing_classes": list(self.missing), "skipped": self.skipped.to_dict("records"),
            "output": str(self.path) if self.path else None,
        }  # fmt: skip

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return evaluated.html(self.facts())


def evaluate(
    run: runs.Run | str | os.PathLike[str],
    data: Data,
    *,
    output: str | os.PathLike[str] | None = None,
    batch_size: int | None = None,
    compute: str = AUTO,
    progress: Progress | bool | None = None,
    **settings: Any,
) -> Evaluation:
    """Judge a run's exported SavedModel on labelled images, all of them, whatever splits they are in.

    They are decoded as the run's own. Classes are told by their names; images of others are counted and left out.

    Args:
        run: a run, its folder, or its name under `saved_models`.
        data: as for `fit`: a folder with one sub-folder per class, a table, an archive, or `tfds:NAME`.
        output: new folder for `evaluation.json`, `predictions.csv` and `skipped.csv`; none: nothing is written.
        batch_size: largest number of images per batch; None: depends on their size.
        compute: the library that computes, as for `predict`.
        progress: True, False, or an object with `step` and `say`; none: shown on a terminal and in a notebook, silent elsewhere.
        **settings: how the source is read, with or without `data.` before it: `root="images"`, `exclude=["*_mask.png"]`, `split_folders`,
            `missing_files`, `tfds_data_dir`, `connections`, `cache_gb`; and `engine={"kind": "ray"}`.

    Raises:
        ConfigError: for another setting.
        DataError: if the data cannot be read, or none of its images has a class of the run.
        OutputError: if `output` is taken, or among the images.
        RunError: if there is no such run, or its export cannot be loaded.
    """
    return carry_out(evaluate_request(opened(run), data, [settings], output, batch_size, compute), shown(progress))


def carry_out(request: EvaluateRequest, progress: Progress) -> Evaluation:
    """Carry out a request; see `evaluate`."""
    run, config = request.run, request.config
    with opened_engine(config.engine, progress) as engine:
        dataset = sources.read(config.data, progress, engine=engine)
    labels, used = run.labels, dataset.used
    known = used[used["label"].isin(labels)]
    unknown = dict(Counter(label for label in used["label"] if label not in labels).most_common())
    if known.empty:
        raise DataError(
            f"None of the images has a class of the run. Expected folders or labels among: {_some(labels)}. Received "
            f"{_some(unknown) or 'no image that can be read'}."
        )
    asked = PredictRequest(
        run, [os.fspath(dataset.root / str(path)) for path in known["path"]], None, request.batch_size, False, request.compute,
        config.engine, {}, config.data.connections,
    )  # fmt: skip
    answers, names = prediction.rows_of(asked, progress)
    errors = np.array([str(error) for error in answers.errors], object)
    good = errors == ""
    if not good.any():
        raise DataError(f"None of the images could be classified. Received, for the first of {len(errors):,}: {errors[0]}.")
    rows, probabilities, truth = known[good], answers.probabilities[good], np.array([names.index(label) for label in known["label"][good]])
    split = _splits_of(run, rows["digest"])
    unread = dataset.table[dataset.table["reason"] != ""]
    failed = pd.DataFrame({"path": known["path"].to_numpy()[~good], "reason": errors[~good]}, dtype=object)  # names may be no Unicode
    skipped = pd.concat([unread[["path", "reason"]], failed], ignore_index=True)
    metrics, own = metrics_of(probabilities, truth, names), _own_test(run)
    left = ~np.isin(split, _LEARNT)
    unseen = metrics_of(probabilities[left], truth[left], names) if left.any() and not left.all() else None
    found = Evaluation(
        run=run.name, data=data_name(str(config.data.source)), metrics=metrics, own_test=own, difference=_difference(metrics, own),
        seen={name: int((split == name).sum()) for name in _LEARNT}, unseen=unseen,
        unseen_difference=_difference(unseen, own) if unseen else None, flagged=float(answers.is_ood[good].mean()), unknown=unknown,
        missing=tuple(name for name in names if not metrics["per_class"][name]["images"]), skipped=skipped,
        predictions=_table(rows, probabilities, names, split, answers.ood_score[good]),
        path=request.output,
    )  # fmt: skip
    _write(found)
    return found


def _table(rows: pd.DataFrame, probabilities: np.ndarray, names: list[str], split: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    facts: dict[str, Any] = {name: rows[name].to_numpy() for name in ("path", "label")}
    facts |= {"predicted": np.array(names, object)[probabilities.argmax(1)], "seen": split}
    told = pd.DataFrame(facts, dtype=object).assign(ood_score=scores)  # names of any bytes do not fit Arrow's strings
    return predictions.table(told, np.round(probabilities, predictions.DECIMALS), names)


def _splits_of(run: runs.Run, digests: pd.Series) -> np.ndarray:
    """Return the split of the run that holds each image, by its bytes; empty for images that it has not seen."""
    own = manifests.used(run.manifest)
    splits = dict(zip(own["digest"], own["split"], strict=True))
    return np.array([splits.get(digest, "") if digest else "" for digest in digests], object)


def _own_test(run: runs.Run) -> dict[str, Any]:
    test = run.metrics["test"]
    return {name: test[name] for name in ("images", "accuracy", "accuracy_ci95")} | {"flagged": run.metrics["ood"]["test_flagged"]}


def _difference(metrics: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[float, float, float]:
    right, images = ([round(one["accuracy"] * one["images"]) for one in (metrics, own)], [one["images"] for one in (metrics, own)])
    return share_difference(right[0], images[0], right[1], images[1])


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:10]) + (f" and {len(listed) - 10:,} more" if len(listed) > 10 else "")


def _write(found: Evaluation) -> None:
    if found.path is None:
        return
    found.path.parent.mkdir(parents=True, exist_ok=True)
    with publishing(found.path) as draft:
        write_text(draft / EVALUATION, runs.to_json(found.facts()))
        write_csv(found.predictions, draft / PREDICTIONS)
        write_csv(found.skipped, draft / SKIPPED)
