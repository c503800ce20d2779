"""Comparisons that take seconds, and a training that takes none."""

from typing import Any

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.reports.comparison import page
from transfer.workflows.comparison import trials
from transfer.workflows.comparison.records import Record
from transfer.workflows.comparison.trials import Trial

SETTINGS: dict[str, Any] = {
    "sizes": [3, "all"],
    "seeds": [0],
    "energy": "off",
    "common": {
        "image_size": 32,
        "weights": "random",
        "precision": "float32",
        "compute": "tensorflow",
        "training.epochs": 2,
        "features.batch_size": 8,
    },
    "methods": {
        "top": {"backbone": "vgg16", "head.dense": []},
        "lower": {"backbone": "vgg16", "truncate_at": "block2_pool", "head.dense": []},
        "mlp": {"backbone": "mlp", "network.dense": [8]},
    },
}
"""Random VGG16 at two cuts, and a perceptron from scratch."""


def pair(**settings: Any) -> dict[str, Any]:
    """Return settings with the perceptron twice, without and with a hidden layer: nothing is frozen."""
    methods = {"linear": {"backbone": "mlp", "network.dense": []}, "hidden": {"backbone": "mlp", "network.dense": [4]}}
    common = {"image_size": 8, "training.epochs": 2}
    return {"sizes": [2, "all"], "seeds": [0], "energy": "off", "common": common, "methods": methods} | settings


class Trainings:
    """Stands in for training: each run's result is made of its name, and those with a rate above 1 diverge."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, trial: Trial, *costs: Any) -> Record:
        self.made.append(trial.name)
        if trial.config.training.learning_rate > 1:
            raise TransferError("Training diverged: the loss is not finite.")
        rows, classes = trial.dataset.used, trial.dataset.classes
        counts = rows["split"].value_counts()
        predicted = np.random.default_rng(int(trial.identity, 16)).integers(0, len(classes), counts["test"])
        right = [classes[number] for number in predicted] == rows.loc[rows["split"] == "test", "label"]
        return Record(
            train_images=int(counts["train"]), validation_images=int(counts["validation"]), test_images=int(counts["test"]),
            accuracy=float(right.mean()), macro_f1=0.5, log_loss=0.7, ece=0.1, val_accuracy=0.5, best_epoch=1, epochs=2,
            truncate_at="", parameters_trained=10, parameters_total=10, seconds_frozen=0.0, seconds_training=0.5, energy_wh=None,
            co2_g=None, energy_source="", predicted=[int(number) for number in predicted],
        )  # fmt: skip


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    """Let nothing be trained and no figure be drawn; tell what would be trained."""
    stand_in = Trainings()
    monkeypatch.setattr(trials, "train_trial", stand_in)
    monkeypatch.setattr(page, "render", lambda *tables: "page")
    return stand_in
