"""Finished runs of a comparison: one file each, named by all that determines the result."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.config import Config
from transfer.system.files import write_text
from transfer.workflows.comparison.folder import RECORDS

_FORMAT = 1
_ASIDE = {
    "data": ("source", "root", "tfds_data_dir"), "features": ("memory_mb",), "training": ("checkpoint_seconds",), "check": None,
    "export": None,
}  # fmt: skip
"""What changes no figure of a run: places, memory, and what only `transfer fit` and `transfer check` use."""


@dataclass(frozen=True)
class Record:
    """What one run has found.

    Attributes:
        accuracy, macro_f1, log_loss, ece: of the test images; see `evaluation.metrics`.
        parameters_trained, parameters_total: of the classifier from images to probabilities.
        seconds_frozen, seconds_training: what the run costs from nothing.
        energy_wh: of both; none where it was not measured.
        co2_g: the same.
        energy_source: `counter`, `estimate`, or empty.
        predicted: class number of each test image, in the order of the manifest.
    """

    train_images: int
    validation_images: int
    test_images: int
    accuracy: float
    macro_f1: float
    log_loss: float
    ece: float
    val_accuracy: float
    best_epoch: int
    epochs: int
    truncate_at: str
    parameters_trained: int
    parameters_total: int
    seconds_frozen: float
    seconds_training: float
    energy_wh: float | None
    co2_g: float | None
    energy_source: str
    predicted: list[int] = field(repr=False)


def identity(config: Config, feature_set: str, classes: Sequence[str], rows: pd.DataFrame) -> str:
    """Return the name of a run: a digest of all that determines its result.

    Args:
        config: with the run's own seed.
        feature_set: identity of what the frozen part computes; see `features.store.FeatureSet`.
        classes: names, in the order of their numbers.
        rows: the run's images of all three splits: `digest`, `label`, `split`.
    """
    settings = config.model_dump(mode="json")
    for section, names in _ASIDE.items():
        for name in names if names is not None else list(settings[section]):
            settings[section].pop(name)
    images = [list(row) for row in zip(rows["digest"], rows["label"], rows["split"], strict=True)]
    facts = json.dumps([_FORMAT, settings, feature_set, list(classes), images])
    return hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def read(folder: Path, name: str) -> Record | None:
    """Return a finished run; none where there is none, or its file is of no use."""
    try:
        content: dict[str, Any] = json.loads((folder / RECORDS / f"{name}.json").read_text(encoding="utf-8"))
        if content.pop("identity") != name:
            return None
        return Record(**{item.name: content[item.name] for item in fields(Record)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(folder: Path, name: str, record: Record, told: dict[str, Any]) -> None:
    """Write a finished run, whole or not at all.

    Args:
        told: what a person wants to find in the file beside: method, size, seed.
    """
    content = {"identity": name} | told | asdict(record)
    write_text(folder / RECORDS / f"{name}.json", json.dumps(content) + "\n")
