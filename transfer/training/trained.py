"""The result of every kind of training."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from transfer.evaluation import calibration
from transfer.training.feature_dataset import FeatureDataset, Outputs, infer


@dataclass(frozen=True)
class Trained:
    """A fitted classifier.

    Attributes:
        model: the trained part, stored rows -> logits.
        history: one row per epoch.
        best_epoch: the epoch whose weights were kept, from 1.
        features, outputs: its input rows: their feature dataset and the names of the outputs.
        logits: split (`validation`, `test`) -> float32 [n, classes], from stored features.
        temperature: divides the logits; fitted on the validation split.
        checkpoints: files to delete once the run is published.
        decided: settings that were decided in training, with `__` for the dots in their keys.
    """

    model: keras.Model
    history: pd.DataFrame
    best_epoch: int
    features: FeatureDataset
    outputs: Outputs
    logits: dict[str, np.ndarray]
    temperature: float
    checkpoints: tuple[Path, ...]
    decided: Mapping[str, Any] = field(default_factory=dict)

    def with_decided(self, **settings: Any) -> "Trained":
        """Return a copy with more settings that were decided in training."""
        return replace(self, decided={**self.decided, **settings})

    @classmethod
    def evaluated(
        cls,
        model: keras.Model,
        history: pd.DataFrame,
        best_epoch: int,
        features: FeatureDataset,
        outputs: Outputs,
        checkpoints: tuple[Path, ...],
    ) -> "Trained":
        """Evaluate a fitted model on validation and test, and calibrate it."""
        logits = {split: infer(model, features, split, outputs) for split in ("validation", "test")}
        temperature = calibration.temperature(logits["validation"], features.labels("validation"))
        return cls(model, history, best_epoch, features, outputs, logits, temperature, checkpoints)

    @cached_property
    def probabilities(self) -> dict[str, np.ndarray]:
        """Split (`validation`, `test`) -> calibrated probabilities, float32 [n, classes]."""
        return {split: calibration.probabilities(logits, self.temperature) for split, logits in self.logits.items()}
