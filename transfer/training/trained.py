"""What every way of training returns, and the rows that all of them train on."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from transfer.config import Config
from transfer.data import manifest as manifests
from transfer.features.arrays import StoredRows
from transfer.features.extract import PLAIN, Views
from transfer.features.front import Front
from transfer.features.store import Store, key
from transfer.training import checkpoints
from transfer.training.batches import Batches, class_weights


@dataclass(frozen=True)
class Trained:
    """A fitted classifier.

    Attributes:
        model: the trained part, from stored rows to logits.
        history: one row an epoch.
        best_epoch: the epoch whose weights were kept, from 1.
        probabilities: split (`validation`, `test`) -> float32 [n, classes], by the stored-feature path.
        checkpoint: file that is of no use any more once the run is published.
    """

    model: keras.Model
    history: pd.DataFrame
    best_epoch: int
    probabilities: dict[str, np.ndarray]
    checkpoint: Path


@dataclass(frozen=True)
class Material:
    """Stored rows of a divided manifest, by split.

    Attributes:
        manifest: divided manifest.
        classes: names; a row's label number is the position in it.
        store: open store.
        front: what computed the rows.
        views: the augmented views of the training rows.
    """

    manifest: pd.DataFrame
    classes: list[str]
    store: Store
    front: Front
    views: Views
    config: Config

    def checkpoint(self, output: str) -> Path:
        """Return the checkpoint of training on one output: named by all that determines the result, places aside."""
        usable = manifests.used(self.manifest)
        settings = self.config.model_dump(mode="json")
        settings.pop("check")
        for place in ("source", "root", "tfds_data_dir"):
            settings["data"].pop(place)
        facts = [settings, self.front.feature_set.id, output, self.classes, usable[["digest", "label", "split"]].values.tolist()]
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
        """Return the rows of a split and their labels; with `augmented`, the stored views after the plain pictures."""
        digests, labels = list(self.rows(split)["digest"]), self.labels(split)
        tags = [PLAIN, *(self.views.tags() if augmented and self.views.augmentation else [])]
        keys = [key(digest, tag, output) for tag in tags for digest in digests]
        memory = self.config.features.memory_mb << 20
        rows = StoredRows(self.store, keys, self.front.width(output), self.front.dtype(output), memory)
        return rows, np.tile(labels, len(tags))

    def batches(self, split: str, output: str, shape: tuple[int, ...], train: bool) -> Batches:
        """Return the batches of a split; those to train on are shuffled, weighted and include the augmented views."""
        rows, labels = self.stored(split, output, augmented=train)
        training = self.config.training
        if not train:
            ones = class_weights(labels, len(self.classes), "none")
            return Batches(rows, labels, len(self.classes), max(training.batch_size, 256), shape, ones)
        weights = class_weights(labels, len(self.classes), training.class_weights)
        return Batches(rows, labels, len(self.classes), training.batch_size, shape, weights, self.config.seed)


def predict(model: keras.Model, material: Material, split: str, output: str, shape: tuple[int, ...], batch: int = 256) -> np.ndarray:
    """Return the probabilities of a split by the stored-feature path, float32 [n, classes]."""
    rows, labels = material.stored(split, output)
    parts = []
    for start in range(0, len(labels), batch):
        chosen = rows.take(np.arange(start, min(start + batch, len(labels)))).astype(np.float32).reshape(-1, *shape)
        parts.append(np.asarray(keras.ops.softmax(model(chosen, training=False))))
    return np.concatenate(parts) if parts else np.empty((0, len(material.classes)), np.float32)
