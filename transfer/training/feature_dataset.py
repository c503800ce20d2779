"""What every way of training returns, and the rows that all of them train on."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from transfer.config import Config
from transfer.data import dataset as manifests
from transfer.evaluation import calibration
from transfer.features.arrays import StoredRows
from transfer.features.extraction import PLAIN, Views
from transfer.features.extractor import PIXELS, FeatureExtractor
from transfer.features.store import Store, key
from transfer.training import checkpoints
from transfer.training.batches import Batches, Live, class_weights


@dataclass(frozen=True)
class Trained:
    """A fitted classifier.

    Attributes:
        model: the trained part, from stored rows to logits.
        history: one row an epoch.
        best_epoch: the epoch whose weights were kept, from 1.
        features, output: the stored rows that it takes, and their name.
        logits: split (`validation`, `test`) -> float32 [n, classes], by the stored-feature path.
        temperature: by which the logits are divided, chosen on the validation split.
        checkpoints: files that are of no use any more once the run is published.
    """

    model: keras.Model
    history: pd.DataFrame
    best_epoch: int
    features: "FeatureDataset"
    output: str
    logits: dict[str, np.ndarray]
    temperature: float
    checkpoints: tuple[Path, ...]

    @classmethod
    def judged(
        cls,
        model: keras.Model,
        history: pd.DataFrame,
        best_epoch: int,
        features: "FeatureDataset",
        output: str,
        checkpoints: tuple[Path, ...],
    ) -> "Trained":
        """Let a fitted model judge validation and test, and calibrate it."""
        logits = {split: passed(model, features, split, output) for split in ("validation", "test")}
        temperature = calibration.temperature(logits["validation"], features.labels("validation"))
        return cls(model, history, best_epoch, features, output, logits, temperature, checkpoints)

    @cached_property
    def probabilities(self) -> dict[str, np.ndarray]:
        """Split (`validation`, `test`) -> calibrated probabilities, float32 [n, classes]."""
        return {split: calibration.probabilities(logits, self.temperature) for split, logits in self.logits.items()}


@dataclass(frozen=True)
class FeatureDataset:
    """Stored rows of a divided manifest, by split.

    Attributes:
        manifest: divided manifest.
        classes: names; a row's label number is the position in it.
        store: open store.
        extractor: what computed the rows.
        views: the augmented views of the training rows.
    """

    manifest: pd.DataFrame
    classes: list[str]
    store: Store
    extractor: FeatureExtractor
    views: Views
    config: Config

    def checkpoint(self, output: str) -> Path:
        """Return the checkpoint of training on one output: named by all that determines the result, places aside."""
        usable = manifests.used(self.manifest)
        settings = self.config.model_dump(mode="json")
        for without_effect in ("check", "ood", "energy"):
            settings.pop(without_effect)
        for place in ("source", "root", "tfds_data_dir"):
            settings["data"].pop(place)
        facts = [settings, self.extractor.feature_set.id, output, self.classes, usable[["digest", "label", "split"]].values.tolist()]
        return checkpoints.path_of(hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32])

    def rows(self, split: str) -> pd.DataFrame:
        """Return the used rows of a split."""
        usable = manifests.used(self.manifest)
        return usable[usable["split"] == split]

    def labels(self, split: str) -> np.ndarray:
        """Return the class numbers of a split, int [n]."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        return np.array([numbers[label] for label in self.rows(split)["label"]], np.int64)

    def stored(self, split: str, output: str, augmented: bool = False) -> tuple[StoredRows, np.ndarray]:
        """Return the rows of a split and their labels; with `augmented`, the stored views after the plain images."""
        digests, labels = list(self.rows(split)["digest"]), self.labels(split)
        tags = [PLAIN, *(self.views.tags() if augmented and self.views.augmentation else [])]
        keys = [key(digest, tag, output) for tag in tags for digest in digests]
        memory = self.config.features.memory_mb << 20
        rows = StoredRows(self.store, keys, self.extractor.width(output), self.extractor.dtype(output), memory)
        return rows, np.tile(labels, len(tags))

    def batches(self, output: str, shape: tuple[int, ...], batch_size: int, dtype: str = "float32") -> Batches:
        """Return the batches to train on: shuffled, weighted, with the augmented views."""
        rows, labels = self.stored("train", output, augmented=True)
        weights = class_weights(labels, len(self.classes), self.config.training.class_weights)
        live = None
        if self.config.augment.live and output == PIXELS:
            live = Live(list(self.rows("train")["digest"]), self.config.augment, self.config.seed)
        return Batches(rows, labels, len(self.classes), batch_size, shape, weights, self.config.seed, live, dtype)

    def judged(self, split: str, output: str, shape: tuple[int, ...], dtype: str = "float32") -> Batches:
        """Return the batches of a split that is only looked at, in the order of the manifest."""
        rows, labels = self.stored(split, output)
        ones = class_weights(labels, len(self.classes), "none")
        return Batches(rows, labels, len(self.classes), judged_at_once(output, shape), shape, ones, dtype=dtype)


def judged_at_once(output: str, shape: tuple[int, ...]) -> int:
    """Return how many rows may pass a network at once when nothing is learned.

    The maps of all layers of a batch are kept for a moment: with large images or maps, small batches.
    """
    if output == PIXELS:
        return max(1, min(256, 2**20 // (shape[0] * shape[1])))
    return max(1, min(256, 2**23 // math.prod(shape)))


def passed(
    model: keras.Model,
    features: FeatureDataset,
    split: str,
    output: str,
    compute: Callable[[np.ndarray], keras.KerasTensor] | None = None,
    positions: np.ndarray | None = None,
) -> np.ndarray:
    """Pass the stored rows of a split through a model.

    Args:
        model: what takes the rows.
        features, split, output: name the rows.
        compute: another function of the model's input; none: the model itself.
        positions: of the wanted rows in the split; none: all.

    Returns:
        Float32 [n, ...]; of the model itself the logits, [n, classes].
    """
    rows, _ = features.stored(split, output)
    wanted = np.arange(len(rows)) if positions is None else positions
    shape = model.input_shape[1:]
    batch = judged_at_once(output, shape)
    parts = []
    for start in range(0, max(len(wanted), 1), batch):  # no rows at all: once, for the shape
        chosen = rows.take(wanted[start : start + batch]).astype(np.float32).reshape(-1, *shape)
        parts.append(np.asarray(compute(chosen) if compute else model(chosen, training=False), np.float32))
    return np.concatenate(parts)
