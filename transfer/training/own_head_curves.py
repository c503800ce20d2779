"""Cross-validated curves of the user's head, which only Keras can train: as `many_heads.py`, at the speed of Keras."""

from collections.abc import Sequence

import keras
import numpy as np
from scipy.special import log_softmax

from transfer.config import Config
from transfer.data.folds import Fold
from transfer.models.whole import OwnHead
from transfer.training import optimizers
from transfer.training.batches import class_weights
from transfer.training.many_heads import Curve, judged


def curves(rows: np.ndarray, labels: np.ndarray, classes: int, config: Config, folds: Sequence[Fold], make: OwnHead) -> list[Curve]:
    """Train the head on each fold, as `training/head.py` would; arguments and result as of `many_heads.dense_curves`.

    Args:
        make: builds the head.

    Raises:
        ConfigError: if it does not fit the features.
    """
    return [_curve(rows, labels, classes, config, fold, make(rows.shape[1], classes, config.seed)) for fold in folds]


def _curve(rows: np.ndarray, labels: np.ndarray, classes: int, config: Config, fold: Fold, head: keras.Model) -> Curve:
    settings, known, true = config.training, labels[fold.train], labels[fold.held_out]
    weights = class_weights(known, classes, settings.class_weights)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings.label_smoothing)
    rate = optimizers.schedule(settings, -(-len(known) // settings.batch_size))
    head.compile(optimizer=optimizers.build(settings, rate), loss=loss, jit_compile=False)
    targets, inputs, held_out = np.eye(classes, dtype=np.float32)[known], rows[fold.train], rows[fold.held_out]
    points: list[tuple[float, float, float]] = []
    right: list[np.ndarray] = []
    best, logits = 0, np.empty(0, np.float32)
    for epoch in range(settings.epochs):
        order = np.random.default_rng([config.seed, epoch]).permutation(len(known))  # as `Batches.order`
        chosen = inputs[order], targets[order], weights[order]
        head.fit(*chosen[:2], sample_weight=chosen[2], batch_size=settings.batch_size, epochs=1, verbose=0, shuffle=False)
        now = np.asarray(head(held_out, training=False), np.float32)
        points.append(_point(now, true, settings.label_smoothing, float(sum(map(float, head.losses)))))
        right.append(now.argmax(axis=1) == true)
        if epoch == 0 or points[-1][2] < points[best][2]:
            best, logits = epoch, now
        if not np.isfinite(points[-1][2]) or (settings.patience and epoch - best >= settings.patience):
            break
    log_loss, accuracy, losses = np.array(points).T
    return Curve(log_loss, accuracy, losses, logits, np.array(right))


def _point(logits: np.ndarray, true: np.ndarray, smoothing: float, penalty: float) -> tuple[float, float, float]:
    """Return log loss, accuracy, and the loss that early stopping watches."""
    log_loss, accuracy = judged(logits, true)
    if not np.isfinite(log_loss):
        return log_loss, accuracy, np.inf
    of_any = log_softmax(logits.astype(np.float64), axis=1).mean() if smoothing else 0.0
    return log_loss, accuracy, (1 - smoothing) * log_loss - smoothing * float(of_any) + penalty
