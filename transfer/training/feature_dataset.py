"""Feature datasets: the stored rows of a dataset by split, for every kind of training."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, TypeVar

import keras
import numpy as np
import pandas as pd

from transfer.config import Config
from transfer.data.dataset import Dataset
from transfer.data.groups import places
from transfer.engines import LOCAL, Engine
from transfer.features.arrays import StoredRows
from transfer.features.extractor import PIXELS, FeatureExtractor
from transfer.features.keys import by_name
from transfer.features.snapshot import Readable, Snapshot, packed
from transfer.features.store import Store
from transfer.features.tasks import PLAIN, views_of
from transfer.models.own.parts import NONE, Parts
from transfer.training import checkpoints
from transfer.training.batches import Batches, Live, class_weights
from transfer.training.identity import result_identity

K = TypeVar("K")

Outputs: TypeAlias = tuple[str, ...]
"""Names of outputs of the feature extractor, whose columns stand side by side."""


@dataclass(frozen=True)
class FeatureDataset:
    """The stored features of a dataset.

    Attributes:
        dataset: split, with the features of its images in the store.
        extractor: computed the features.
        store: the open store that holds them; on another machine than the store's, a part of it (`sent`).
        config: complete; decisions made on the way (precision, cut point) are not filled in.
        engine: where features are computed that turn out to be needed only now.
        parts: what was given in Python and is no setting: head, callbacks, metrics, layers of live views.
    """

    dataset: Dataset
    extractor: FeatureExtractor
    store: Readable
    config: Config
    engine: Engine = LOCAL
    parts: Parts = NONE

    @property
    def classes(self) -> list[str]:
        """Class names; a class number is a position in this list."""
        return self.dataset.classes

    @property
    def own_store(self) -> Store:
        """The store itself, which can be written to: only on its machine."""
        assert isinstance(self.store, Store)
        return self.store

    def checkpoint(self, outputs: Outputs) -> Path:
        """Return the checkpoint file of training on these outputs."""
        identity = result_identity(self.config, self.extractor.feature_set.id, self.dataset)
        return checkpoints.path_of(identity, "+".join(outputs), checkpoints.own_folder() if isinstance(self.store, Snapshot) else None)

    def rows(self, split: str) -> pd.DataFrame:
        """Return the used rows of a split."""
        return self.dataset.rows(split)

    def labels(self, split: str) -> np.ndarray:
        """Return the class numbers of a split, int [n]."""
        return places(self.classes, self.dataset.column("label", split))

    def stored(self, split: str, outputs: Outputs, augmented: bool = False) -> tuple[StoredRows, np.ndarray]:
        """Return the rows of a split, with the outputs side by side, and their labels; with `augmented`, the stored views after the
        plain images."""
        digests, labels, views = self.dataset.column("digest", split), self.labels(split), views_of(self.config)
        tags = [PLAIN, *(views.tags() if augmented and views.augmentation else [])]
        keys = [by_name(digests, [(tag, output) for tag in tags]) for output in outputs]
        widths = [self.extractor.width(output) for output in outputs]
        rows = StoredRows(self.store, keys, widths, self.extractor.dtype(outputs[0]), self.config.features.memory_mb << 20)
        return rows, np.tile(labels, len(tags))

    def keys(self, output: str) -> list[np.ndarray]:
        """Return the keys of all records of an output that training may read, `S48` arrays."""
        views, train = views_of(self.config), self.dataset.column("digest", "train")
        augmented = [by_name(train, [(tag, output)]) for tag in views.tags()] if views.augmentation else []
        return [packed(keys) for keys in (by_name(self.dataset.used["digest"], [(PLAIN, output)]), *augmented)]

    def batches(self, outputs: Outputs, shape: tuple[int, ...], batch_size: int, dtype: str = "float32", in_turns: bool = False) -> Batches:
        """Return training batches: shuffled, weighted, with augmented views, all in each epoch or one of each image in turns."""
        rows, labels = self.stored("train", outputs, augmented=True)
        weights = class_weights(labels, len(self.classes), self.config.training.class_weights)
        turns = 1 + self.config.augment.views if in_turns else 1
        live = None
        if self.config.augment.live and outputs == (PIXELS,):
            live = Live(list(self.rows("train")["digest"]), self.config.augment, self.config.seed, self.parts.layers)
        return Batches(rows, labels, len(self.classes), batch_size, shape, weights, self.config.seed, live, dtype, turns)

    def evaluation_batches(self, split: str, outputs: Outputs, shape: tuple[int, ...], dtype: str = "float32") -> Batches:
        """Return evaluation batches of a split: unweighted, in the order of the dataset."""
        rows, labels = self.stored(split, outputs)
        ones = class_weights(labels, len(self.classes), "none")
        return Batches(rows, labels, len(self.classes), evaluation_batch_size(outputs, shape), shape, ones, dtype=dtype)


def sent(features: Mapping[K, FeatureDataset]) -> dict[K, FeatureDataset]:
    """Return feature datasets as they are sent to other machines: with their used rows alone, and the records of these in memory.

    Records that several of them read are sent once. What only the OOD score is made of stays here.

    Raises:
        StoreError: if a record is missing or damaged.
    """
    needed: dict[Store, dict[str, list[np.ndarray]]] = {}
    for one in features.values():
        if isinstance(one.store, Store):
            keys = needed.setdefault(one.store, {})
            for output in one.extractor.for_training().outputs:
                keys.setdefault(output, []).extend(one.keys(output))
    taken = {store: Snapshot.of(store, keys) for store, keys in needed.items()}

    def light(one: FeatureDataset) -> FeatureDataset:
        dataset = replace(one.dataset, scanned=one.dataset.scanned.iloc[:0], table=one.dataset.used)
        return replace(one, dataset=dataset, store=taken[one.store] if isinstance(one.store, Store) else one.store, engine=LOCAL)

    return {name: light(one) for name, one in features.items()}


def evaluation_batch_size(outputs: Outputs, shape: tuple[int, ...]) -> int:
    """Return the batch size for inference.

    The maps of all layers are in memory for a moment, so large images or maps need small batches.
    """
    if outputs == (PIXELS,):
        return max(1, min(256, 2**20 // (shape[0] * shape[1])))
    return max(1, min(256, 2**23 // math.prod(shape)))


def infer(
    model: keras.Model,
    features: FeatureDataset,
    split: str,
    outputs: Outputs,
    compute: Callable[[np.ndarray], keras.KerasTensor] | None = None,
    positions: np.ndarray | None = None,
) -> np.ndarray:
    """Run a model on the stored rows of a split.

    Args:
        model: its input is the rows.
        features, split, outputs: which rows.
        compute: another function of the model's input; none: the model itself.
        positions: positions of the rows in the split; none: all.

    Returns:
        float32 [n, ...]; for the model itself the logits, [n, classes].
    """
    rows, _ = features.stored(split, outputs)
    wanted = np.arange(len(rows)) if positions is None else positions
    shape = model.input_shape[1:]
    batch = evaluation_batch_size(outputs, shape)
    forward = compute or (lambda chosen: model(chosen, training=False))
    if not len(wanted):  # the shape alone: of no rows, some convolutions of TensorFlow compute a wrong one
        return np.asarray(forward(np.zeros((1, *shape), np.float32)), np.float32)[:0]
    parts = []
    for start in range(0, len(wanted), batch):
        chosen = rows.take(wanted[start : start + batch]).astype(np.float32).reshape(-1, *shape)
        parts.append(np.asarray(forward(chosen), np.float32))
    return np.concatenate(parts)
