"""Linear heads: multinomial logistic regression, fitted to convergence, its strength chosen by cross-validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class LinearHead:
    """A fitted regression: logits = rows @ kernel + bias.

    Attributes:
        kernel: float32 [d, classes].
        bias: float32 [classes].
        inverse_penalty: C that it was fitted with.
        table: of C against cross-validated `log_loss` and `accuracy`, with the column `chosen`; None if C was given.
    """

    kernel: np.ndarray
    bias: np.ndarray
    inverse_penalty: float
    table: pd.DataFrame | None = None


def fit(
    rows: np.ndarray,
    labels: np.ndarray,
    classes: int,
    inverse_penalty: float | Literal["auto"],
    weights: np.ndarray | None = None,
    groups: Sequence[str] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> LinearHead:
    """Fit a linear head.

    Args:
        rows: features as the head's Dense layer gets them (standardised and weighted), float32 [n, d].
        labels: class number of each row, int [n].
        classes: number of classes.
        inverse_penalty: C; smaller values regularise more; auto: chosen by cross-validation on these rows.
        weights: weight of each row (`batches.class_weights`), float [n]; none: 1.
        groups: rows of one group (an image and its views, a group of images) lie in one fold; none: each row for itself.
        folds: of the cross-validation.
        seed: of the folds.
    """
    raise NotImplementedError
