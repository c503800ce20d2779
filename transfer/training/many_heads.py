"""Many heads: cross-validated curves of heads on arrays in memory, many times faster than one Keras training after another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transfer.config import Config
from transfer.data.folds import Fold


@dataclass(frozen=True)
class Curve:
    """How a head that was fitted on one fold does on the rows that this fold holds out.

    Attributes:
        log_loss: mean over the rows held out after each epoch, float64 [epochs]; of a linear head one entry.
        accuracy: the same, float64 [epochs].
        logits: of the rows held out after each epoch, in the order of `Fold.held_out`, float32 [epochs, m, classes].
    """

    log_loss: np.ndarray
    accuracy: np.ndarray
    logits: np.ndarray


def dense_curves(rows: np.ndarray, labels: np.ndarray, classes: int, config: Config, folds: Sequence[Fold]) -> list[Curve]:
    """Train the dense head of a configuration on each fold, as `training/head.py` would.

    Each fold has its own early stopping (`training.patience`, on its own loss of the rows held out), so that its curve depends on
    nothing but itself: folds trained in two calls give the same curves, bit for bit, as in one. Curves may differ in length.

    Args:
        rows: features, standardised and weighted, float32 [n, d].
        labels: class number of each row, int [n].
        classes: number of classes.
        config: `head` (layers, dropout, L2), `training` and `seed`.
        folds: `train` may contain augmented views, `held_out` only plain rows.

    Returns:
        One curve for each fold.
    """
    raise NotImplementedError


def linear_curves(
    rows: np.ndarray, labels: np.ndarray, classes: int, config: Config, folds: Sequence[Fold], inverse_penalty: float
) -> list[Curve]:
    """Fit a linear head (`linear_head.py`) on each fold; arguments and result as of `dense_curves`, with one epoch.

    Args:
        inverse_penalty: C of the regression, a number: the search chooses it as any other key.
    """
    raise NotImplementedError
