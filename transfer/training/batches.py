"""Rows and labels -> shuffled training batches, the same in every run with the same seed."""

import keras
import numpy as np

from transfer.features.arrays import StoredRows


class Batches(keras.utils.PyDataset):
    """Batches of (rows, one-hot labels, weights) for Keras.

    The order of an epoch is a function of seed and epoch number alone, so that training taken up again at epoch k sees
    what it would have seen.

    Attributes:
        rows: features [n, width], or pixels.
        labels: class number of each row, int [n].
        weights: weight of each row, float32 [n].
        shape: shape of one row as the network takes it.
    """

    def __init__(
        self,
        rows: StoredRows,
        labels: np.ndarray,
        classes: int,
        batch_size: int,
        shape: tuple[int, ...],
        weights: np.ndarray | None = None,
        shuffle_seed: int | None = None,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.rows, self.labels, self.classes = rows, labels, classes
        self.batch_size, self.shape = batch_size, shape
        self.weights = weights if weights is not None else np.ones(len(labels), np.float32)
        self.shuffle_seed, self.epoch = shuffle_seed, first_epoch
        self._order = self._shuffled()

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        chosen = self._order[number * self.batch_size : (number + 1) * self.batch_size]
        rows = self.rows.take(chosen).astype(np.float32).reshape(-1, *self.shape)
        one_hot = np.zeros((len(chosen), self.classes), np.float32)
        one_hot[np.arange(len(chosen)), self.labels[chosen]] = 1.0
        return rows, one_hot, self.weights[chosen]

    def on_epoch_end(self) -> None:
        """Shuffle for the next epoch."""
        self.epoch += 1
        self._order = self._shuffled()

    def _shuffled(self) -> np.ndarray:
        if self.shuffle_seed is None:
            return np.arange(len(self.labels))
        return np.random.default_rng([self.shuffle_seed, self.epoch]).permutation(len(self.labels))


def class_weights(labels: np.ndarray, classes: int, rule: str) -> np.ndarray:
    """Return the weight of each row: 1 with `none`; with `balanced`, such that each class weighs the same and the mean is 1."""
    if rule == "none":
        return np.ones(len(labels), np.float32)
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (np.count_nonzero(counts) * counts[labels])).astype(np.float32)
