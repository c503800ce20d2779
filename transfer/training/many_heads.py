"""Many heads: cross-validated curves of heads on features in memory, many times faster than one Keras training after another.

The mathematics of `training/head.py` in NumPy (`numpy_head.py`): the same initial weights, order of the rows, loss, penalty, Adam and
schedule; only the random numbers of dropout differ. Each fold has a thread of its own and computes with one thread, so that its result
depends on nothing beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import keras
import numpy as np
from scipy.special import log_softmax

from transfer.config import Config
from transfer.data.folds import Fold
from transfer.system import resources
from transfer.training import linear_head
from transfer.training.batches import class_weights
from transfer.training.numpy_head import Adam, Network, rates


@dataclass(frozen=True)
class Curve:
    """How a head that was fitted on one fold does on the rows that this fold holds out, after each epoch.

    Attributes:
        log_loss: mean over these rows, float64 [epochs]; infinite where training diverged, which ends it. A linear head: one entry.
        accuracy: float64 [epochs].
        loss: Keras's `val_loss`, which early stopping watches: log loss with label smoothing, plus the penalty, float64 [epochs].
        logits: of these rows in the order of `Fold.held_out`, after the epoch `best`, float32 [m, classes].
        right: whether each of these rows is classified correctly, bool [epochs, m].
    """

    log_loss: np.ndarray
    accuracy: np.ndarray
    loss: np.ndarray
    logits: np.ndarray
    right: np.ndarray

    @property
    def best(self) -> int:
        """Epoch, from 0, whose weights `training/fitting.py` would keep: that with the lowest `loss`."""
        return int(self.loss.argmin())


def dense_curves(rows: np.ndarray, labels: np.ndarray, classes: int, config: Config, folds: Sequence[Fold]) -> list[Curve]:
    """Train the dense head of a configuration on each fold, as `training/head.py` would.

    Each fold stops early by itself (`training.patience`), so that its curve depends on nothing but itself: folds trained in two calls,
    or beside other trials (`resources.spread`), give the same curves as in one, bit for bit. Curves may differ in length.

    Args:
        rows: features, standardised and weighted, float32 [n, d].
        labels: class number of each row, int [n].
        classes: number of classes.
        config: `head` (layers, dropout, L2), `training` and `seed`.
        folds: `train` may contain augmented views, `held_out` only plain rows.

    Returns:
        One curve for each fold.
    """
    weights = initial_weights(rows.shape[1], classes, config)
    return resources.spread(lambda fold: _Training(rows, labels, classes, config, fold, weights).curve(), folds)


def linear_curves(
    rows: np.ndarray, labels: np.ndarray, classes: int, config: Config, folds: Sequence[Fold], inverse_penalty: float
) -> list[Curve]:
    """Fit a linear head (`linear_head.py`) on each fold; arguments and result as of `dense_curves`, with one epoch.

    Args:
        inverse_penalty: C of the regression, a number: the search chooses it as any other key.
    """
    with resources.one_thread():
        points = linear_head.points_of(rows)[0].astype(np.float32)

    def curve(fold: Fold) -> Curve:
        known = labels[fold.train]
        weights = class_weights(known, classes, config.training.class_weights)
        kernel, bias = linear_head.Regression(points[fold.train], known, classes, weights).fit(inverse_penalty)
        logits = (points[fold.held_out] @ kernel + bias).astype(np.float32)
        losses, accuracy = judged(logits, labels[fold.held_out])
        loss = np.array([losses])
        return Curve(loss, np.array([accuracy]), loss, logits, (logits.argmax(axis=1) == labels[fold.held_out])[None])

    return resources.spread(curve, folds)


def judged(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the log loss (infinite if a logit is not finite) and the accuracy of logits [m, classes]."""
    if not np.isfinite(logits).all():
        return np.inf, float((logits.argmax(axis=1) == labels).mean())
    of_true = log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels]
    return float(-of_true.mean()), float((logits.argmax(axis=1) == labels).mean())


def initial_weights(width: int, classes: int, config: Config) -> list[np.ndarray]:
    """Return the weights that `heads.build` starts with: kernels and biases from the first layer to the logits, float32."""
    units = (width, *config.head.dense, classes)
    weights = []
    for number, (before, after) in enumerate(pairwise(units)):
        seed = 1000 * config.seed + 2 * number + 1
        kind = keras.initializers.GlorotUniform if number == len(config.head.dense) else keras.initializers.HeNormal
        weights += [np.asarray(kind(seed)((before, after)), np.float32), np.zeros(after, np.float32)]
    return weights


class _Training:
    """Training of one head on one fold."""

    def __init__(
        self, rows: np.ndarray, labels: np.ndarray, classes: int, config: Config, fold: Fold, weights: Sequence[np.ndarray]
    ) -> None:
        self._rows, self._config, self._fold = rows, config, fold
        self._known, self._held_out, self._true = labels[fold.train], rows[fold.held_out], labels[fold.held_out]
        smoothing = config.training.label_smoothing
        self._targets = (np.eye(classes) * (1 - smoothing) + smoothing / classes).astype(np.float32)  # by class
        self._weights = class_weights(self._known, classes, config.training.class_weights)
        self._network = Network(weights)
        self._adam = Adam(self._network, config.head.l2, config.training)

    def curve(self) -> Curve:
        settings = self._config.training
        steps = -(-len(self._known) // settings.batch_size)
        rate = rates(settings, steps).reshape(settings.epochs, steps)
        points: list[tuple[float, float, float]] = []
        right: list[np.ndarray] = []
        best, logits = 0, np.empty(0, np.float32)
        for epoch in range(settings.epochs):
            with np.errstate(all="ignore"):  # a loss that is not finite tells of a training that diverged
                self._epoch(epoch, rate[epoch])
                now = self._network.logits(self._held_out)
            points.append(self._judged(now))
            right.append(now.argmax(axis=1) == self._true)
            if epoch == 0 or points[-1][2] < points[best][2]:
                best, logits = epoch, now
            if not np.isfinite(points[-1][2]) or (settings.patience and epoch - best >= settings.patience):
                break
        log_loss, accuracy, loss = np.array(points).T
        return Curve(log_loss, accuracy, loss, logits, np.array(right))

    def _epoch(self, epoch: int, rate: np.ndarray) -> None:
        size, dropout = self._config.training.batch_size, self._config.head.dropout
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._known))  # as `Batches.order`
        random = np.random.SFC64([self._config.seed, epoch])
        for step, start in enumerate(range(0, len(order), size)):
            chosen = order[start : start + size]
            x = self._rows.take(self._fold.train[chosen], axis=0)
            self._network.differentiate(x, self._targets[self._known[chosen]], self._weights[chosen], dropout, random)
            self._adam.step(rate[step])

    def _judged(self, logits: np.ndarray) -> tuple[float, float, float]:
        log_loss, accuracy = judged(logits, self._true)
        if not np.isfinite(log_loss):
            return log_loss, accuracy, np.inf
        smoothing, kernels = self._config.training.label_smoothing, self._network.values[: self._network.kernels]
        of_any = log_softmax(logits.astype(np.float64), axis=1).mean() if smoothing else 0.0
        penalty = self._config.head.l2 * float(kernels @ kernels)
        return log_loss, accuracy, (1 - smoothing) * log_loss - smoothing * float(of_any) + penalty
