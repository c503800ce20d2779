"""Linear heads: multinomial logistic regression, fitted to convergence, its strength chosen by cross-validation.

The penalty is half the sum of the squared kernel (the bias has none), the loss C times the weighted sum of the cross-entropies, for any
number of classes: scikit-learn's own with two classes has a single row, whose penalty is half of that, so it gets twice the C.

With fewer rows than features the regression is fitted on other coordinates of the same points, as many as there are rows: a rotation
changes neither distances nor the penalty, so it has the same minimum (Hastie and Tibshirani 2004, "Efficient quadratic regularization
for expression arrays").
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import log_softmax, logsumexp

from transfer.data import folds as cross_validation
from transfer.data.folds import Fold
from transfer.system import resources

COLUMNS = ["inverse_penalty", "log_loss", "accuracy", "chosen"]

_VARIANCES = tuple(float(value) for value in np.round(10 ** np.arange(-0.5, 4.1, 0.5), 3))
"""What `auto` tries, as the variance of a logit: C times the mean squared length of the rows.

The penalty says that weights have a variance of C, so a logit of a row has that of C times its squared length, whatever the number of
features and their scale. Below 0.3 nothing can be told apart; above 10,000 all training rows are right and certain."""

_USUAL = 100.0  # of `_VARIANCES`: where there is nothing to choose by
_WORSE = 1.02  # `auto` ends when two values in a row have a log loss so many times the lowest: larger ones take the longest to fit
_FINAL, _COMPARED, _ITERATIONS = 1e-5, 1e-4, 3000  # largest derivative of the mean loss; where only compared, in single precision
_LENGTH = 10.0  # mean squared length of the points that are fitted: the tolerance means the same for features of any scale
_JITTER = 1e-10  # of the mean squared length: rows may be alike
_COLUMNS = 1024  # features multiplied at a time


@dataclass(frozen=True)
class LinearHead:
    """A fitted regression: logits = rows @ kernel + bias.

    A Keras Dense layer with these weights gives the same logits, if its input is the rows as `fit` got them: after standardisation
    (`heads.build` divides by the root of `safe(variance)`) and weighting of the features. On raw features, with rows = (raw - mean) *
    scale, the weights are `scale[:, None] * kernel` and `bias - (scale * mean) @ kernel`.

    Attributes:
        kernel: float32 [d, classes].
        bias: float32 [classes].
        inverse_penalty: C that it was fitted with.
        table: what `auto` tried (columns `COLUMNS`, log loss and accuracy cross-validated); None if C was given, or there was nothing
            to choose by.
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
    """Fit a linear head; the same arguments give the same bits, whatever the number of cores.

    A class without rows gets the probability of about one row in n, everywhere.

    Args:
        rows: features as the head's Dense layer gets them (standardised and weighted), finite, float32 [n, d]; n of at least 1.
        labels: class number of each row, int [n].
        classes: number of classes.
        inverse_penalty: C; smaller values regularise more. auto: that with the lowest cross-validated log loss on these rows.
        weights: weight of each row (`batches.class_weights`), float [n]; none: 1.
        groups: rows of one group (an image and its views, a group of images) lie in one fold; none: each row for itself.
        folds: of the cross-validation; fewer if a class has fewer groups.
        seed: of the folds.
    """
    weights = np.ones(len(rows)) if weights is None else weights.astype(np.float64)
    with resources.one_thread():
        points, rotated = points_of(rows)
        table: pd.DataFrame | None = None
        if isinstance(inverse_penalty, str):
            inverse_penalty, table = _chosen(points.astype(np.float32), labels, classes, weights, groups, folds, seed)
        kernel, bias = Regression(points, labels, classes, weights, _FINAL).fit(inverse_penalty)
        if rotated:
            from scipy.linalg import solve_triangular

            kernel = rows.T @ solve_triangular(points, kernel, lower=True, trans="T", check_finite=False).astype(np.float32)
    return LinearHead(kernel.astype(np.float32), bias.astype(np.float32), inverse_penalty, table)


def points_of(rows: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return points with the inner products of the rows, float64 [n, the smaller of n and d], and whether they are rotated."""
    if len(rows) >= rows.shape[1]:
        return rows.astype(np.float64), False
    from scipy.linalg import cholesky

    products = np.zeros((len(rows), len(rows)))
    for start in range(0, rows.shape[1], _COLUMNS):  # in double precision, without a whole copy of the rows
        some = rows[:, start : start + _COLUMNS].astype(np.float64)
        products += some @ some.T
    products[np.diag_indices(len(rows))] += _JITTER * (float(np.trace(products)) / len(rows) or 1.0)
    return cholesky(products, lower=True, overwrite_a=True, check_finite=False), True


def _mean_square(points: np.ndarray) -> float:
    """Return the mean squared length of points."""
    return float(np.einsum("ij,ij->", points, points, dtype=np.float64) / len(points))


def _chosen(
    points: np.ndarray, labels: np.ndarray, classes: int, weights: np.ndarray, groups: Sequence[str] | None, folds: int, seed: int
) -> tuple[float, pd.DataFrame | None]:
    """Return the C with the lowest log loss, and the table of those tried, from the smallest up: each starts from the one before."""
    length = _mean_square(points) or 1.0
    groups = [str(number) for number in range(len(labels))] if groups is None else groups
    if cross_validation.possible(labels, groups)[1] < 2:
        return _USUAL / length, None
    divided = cross_validation.stratified(labels, groups, folds, seed)
    regressions = [Regression(points[fold.train], labels[fold.train], classes, weights[fold.train]) for fold in divided]
    held_out = np.concatenate([fold.held_out for fold in divided])
    tried: list[tuple[float, float, float]] = []
    for variance in _VARIANCES:

        def logits(pair: tuple[Regression, Fold], inverse_penalty: float = variance / length) -> np.ndarray:
            kernel, bias = pair[0].fit(inverse_penalty)
            return np.asarray(points[pair[1].held_out] @ kernel + bias)

        every = np.concatenate(resources.spread(logits, zip(regressions, divided, strict=True)))
        of_true = log_softmax(every, axis=1)[np.arange(len(held_out)), labels[held_out]]
        right = every.argmax(axis=1) == labels[held_out]
        tried.append((variance / length, -float(np.average(of_true, weights=weights[held_out])), float(right.mean())))
        losses = [loss for _, loss, _ in tried]
        if min(losses[-2:]) > _WORSE * min(losses):
            break
    table = pd.DataFrame(tried, columns=COLUMNS[:3])
    best = int(table["log_loss"].to_numpy().argmin())
    return tried[best][0], table.assign(chosen=table.index == best)


class Regression:
    """A regression on given points, as precise as a comparison needs; each fit starts from the one before."""

    def __init__(self, points: np.ndarray, labels: np.ndarray, classes: int, weights: np.ndarray, tolerance: float = _COMPARED) -> None:
        self._scale = float(np.sqrt(_LENGTH / (_mean_square(points) or _LENGTH)))
        self._points = points * points.dtype.type(self._scale)
        self._labels, self._classes, self._weights, self._tolerance = labels, classes, weights, tolerance
        self._seen = np.unique(labels)
        self._model: Any = None

    def fit(self, inverse_penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the kernel [k, classes] and bias [classes], float64."""
        kernel, bias = np.zeros((self._points.shape[1], self._classes)), np.zeros(self._classes)
        if len(self._seen) > 1:
            kernel[:, self._seen], bias[self._seen] = self._fitted(inverse_penalty)
        unseen = np.setdiff1d(np.arange(self._classes), self._seen)
        if len(unseen):
            total = logsumexp((self._points @ kernel + bias)[:, self._seen], axis=1).mean()
            bias[unseen] = total - np.log(len(self._labels) + 1)
        return kernel * self._scale, bias

    def _fitted(self, inverse_penalty: float) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.linear_model import LogisticRegression

        two = len(self._seen) == 2
        if self._model is None:
            self._model = LogisticRegression(tol=self._tolerance, max_iter=_ITERATIONS, warm_start=True)
        self._model.set_params(C=inverse_penalty / self._scale**2 * (2 if two else 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the line search may find nothing better in the last digits: it has converged
            self._model.fit(self._points, self._labels, sample_weight=self._weights)
        kernel, bias = self._model.coef_.T, self._model.intercept_
        return (np.hstack([-kernel, kernel]) / 2, np.r_[-bias, bias] / 2) if two else (kernel, bias)
