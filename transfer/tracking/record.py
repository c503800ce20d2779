"""What is recorded of a finished run or comparison: values made of its files."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from transfer.data import dataset as manifests
from transfer.reports import drawing
from transfer.reports.run import figures
from transfer.runs import CONFIG, HISTORY, METRICS, PREDICTIONS, REPORT, Run

_NOT_FIGURES = ("per_class", "confusion")


@dataclass(frozen=True)
class Child:
    """A trial of a search or a comparison: its name, settings and figures."""

    name: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Model:
    """An export: the folder of its SavedModel, and its class names."""

    folder: Path
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """What is recorded at the end.

    Attributes:
        parameters: dotted key -> value, of the configuration as it was resolved.
        metrics: dotted name -> figure.
        history: one row an epoch; see `runs.HISTORY`.
        figures: name -> PNG.
        files: to be kept with the record.
        source, digest: of the images: where they are, and SHA-256 of the digests, labels and splits of all that were used.
        model: None if there is none.
        children: trials.
    """

    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    files: tuple[Path, ...]
    source: str
    digest: str = ""
    history: tuple[Mapping[str, Any], ...] = ()
    figures: Mapping[str, bytes] = field(default_factory=dict)
    model: Model | None = None
    children: tuple[Child, ...] = ()


def of_run(run: Run, model: bool = True) -> Record:
    """Return the record of a finished run, with or without its model; the trials of a search are its children."""
    classes = run.labels
    files = [run.path / name for name in (CONFIG, METRICS, PREDICTIONS, HISTORY, REPORT)]
    return Record(
        parameters(run.config),
        flat(run.metrics),
        tuple(file for file in files if file.is_file()),
        str(run.config["data.source"]),
        digest(run),
        tuple({str(key): value for key, value in row.items()} for row in run.history.to_dict("records")),
        {
            "confusion": drawing.png(figures.confusion_figure(_confusion(run, classes), classes)),
            "history": drawing.png(figures.history_figure(run.history, int(run.metrics["best_epoch"]))),
            "reliability": drawing.png(figures.reliability_figure(run.predictions[run.predictions["split"] == "test"], classes)),
        },
        Model(run.export, tuple(classes)) if model else None,
        () if run.trials is None else tuple(children(run.trials.to_dict("records"), "trial")),
    )


def children(rows: Sequence[Mapping[Any, Any]], name: str) -> list[Child]:
    """Return a child for each row of a table; `name`: the column that names them. Numbers are metrics, texts are parameters."""
    found = []
    for row in rows:
        values = {str(key): value for key, value in row.items() if key != name and value is not None and value == value}
        numbers = {key: float(value) for key, value in values.items() if isinstance(value, int | float) and not isinstance(value, bool)}
        texts = {key: str(value) for key, value in values.items() if key not in numbers and str(value)}
        found.append(Child(str(row[name]), texts, {key: value for key, value in numbers.items() if math.isfinite(value)}))
    return found


def parameters(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a configuration as dotted keys and texts; what is empty is left out."""
    found: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= parameters(value, f"{prefix}{key}.")
        elif value is not None and value not in ([], ()):
            found[f"{prefix}{key}"] = str(value)
    return found


def flat(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return all figures by their dotted names, without those of single classes, of which there may be thousands."""
    found: dict[str, float] = {}
    for key, value in metrics.items():
        if isinstance(value, Mapping) and key not in _NOT_FIGURES:
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[f"{prefix}{key}"] = float(value)
    return found


def digest(run: Run) -> str:
    """Return the SHA-256 of which images were used: digest, label and split of each, in an order of their own."""
    rows = manifests.used(run.manifest)
    lines = sorted("\0".join(map(str, row)) for row in zip(rows["digest"], rows["label"], rows["split"], strict=True))
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _confusion(run: Run, classes: Sequence[str]) -> np.ndarray:
    """Return the confusion matrix of the test images, int [classes, classes]."""
    rows = run.predictions[run.predictions["split"] == "test"]
    number = {name: position for position, name in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(matrix, (rows["label"].map(number).to_numpy(int), rows["predicted"].map(number).to_numpy(int)), 1)
    return matrix
