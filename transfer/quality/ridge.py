"""Ridge regression from features to classes: what it says of each row without that row and its group, from a single fit.

The answers follow in closed form (Rifkin and Lippert 2007, "Notes on regularized least squares"). So there are no folds, each row is
judged by all others, and of the time only that of one product of matrices grows with the number of classes.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from transfer.quality.tables import Table, whole

_BLOCK = 4096  # rows computed at a time
_LARGE = 4 * _BLOCK  # a larger group is not computed at once


def without_own_group(table: Table, labels: np.ndarray, groups: np.ndarray, fitted: np.ndarray, penalty: float) -> np.ndarray:
    """Return the scores of each row by the regression on the fitted rows of all other groups.

    With V the rows times the inverse root of the regression's matrix, V V' + 1/n (for the intercept) says how much each fitted row
    contributes to each prediction; from it follow the errors of the rows of a group if the group is left out, and the predictions.

    Args:
        table: float32 [n, d]; the mean of the fitted rows is (nearly) 0.
        labels: class numbers, int [n], from 0.
        groups: numbers of the groups, int [n], from 0.
        fitted: which rows are fitted on, bool [n].
        penalty: of the squared weights; the intercept has none.

    Returns:
        float32 [n, classes], about 0 to 1.
    """
    from scipy.linalg import cho_solve, cholesky, solve_triangular

    points = _points(table)
    learned, width = np.flatnonzero(fitted), points.shape[1]
    counts = np.bincount(labels[learned], minlength=int(labels.max()) + 1)
    intercept = (counts / len(learned)).astype(np.float32)
    learned = learned[np.argsort(labels[learned], kind="stable")]
    matrix, targets = np.zeros((width, width), np.float32), np.zeros((width, len(counts)), np.float32)
    for part in _parts(len(learned)):
        some, numbers = points[learned[part]], labels[learned[part]]
        matrix += some.T @ some
        starts = np.flatnonzero(np.r_[True, np.diff(numbers) > 0])
        targets[:, numbers[starts]] += np.add.reduceat(some, starts).T
        targets -= np.outer(some.sum(axis=0), intercept)
    matrix[np.diag_indices(width)] += penalty
    root = cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
    weights = cho_solve((root, True), targets, check_finite=False)
    scores = np.empty((len(points), len(counts)), np.float32)
    for part in whole(points):
        scores[part] = points[part] @ weights + intercept

    def reached(rows: np.ndarray) -> np.ndarray:
        """Return V and the intercept's column: float32 [m, w + 1]."""
        found = solve_triangular(root, points[rows].T, lower=True, check_finite=False).T
        return np.column_stack([found, np.full(len(rows), len(learned) ** -0.5, np.float32)])

    alone = np.flatnonzero(fitted & (np.bincount(groups)[groups] == 1))
    for part in _parts(len(alone)):
        rows = alone[part]
        share = np.minimum((reached(rows) ** 2).sum(axis=1), 1 - 1e-4)[:, None]
        scores[rows] /= 1 - share
        scores[rows, labels[rows]] -= (share / (1 - share))[:, 0]
    _leave_out_groups(scores, reached, labels, groups, fitted)
    return scores


def _leave_out_groups(
    scores: np.ndarray, reached: Callable[[np.ndarray], np.ndarray], labels: np.ndarray, groups: np.ndarray, fitted: np.ndarray
) -> None:
    """Take from the scores of the rows of groups what the fitted rows of their own group contribute."""
    for grouped, ends in _whole_groups(np.flatnonzero(np.bincount(groups)[groups] > 1), groups):
        together = reached(grouped) if len(grouped) <= _LARGE else None
        for rows, (start, end) in zip(np.split(grouped, ends), pairwise([0, *ends, len(grouped)]), strict=True):
            own = fitted[rows]
            errors = np.eye(scores.shape[1], dtype=np.float32)[labels[rows[own]]] - scores[rows[own]]
            if together is not None:
                scores[rows] -= _contributed(together[start:end], own, errors)
                continue
            pulled = _pulled(reached(rows[own]).astype(np.float64), errors)
            for part in _parts(len(rows)):
                scores[rows[part]] -= reached(rows[part]) @ pulled


def _points(table: Table) -> Table:
    """Return points whose inner products are those of the rows, with no more dimensions than there are rows: float32 [n, at most d]."""
    from scipy.linalg import cholesky

    if len(table) >= table.shape[1]:
        return table
    rows = table[:]
    products = rows @ rows.T
    products[np.diag_indices(len(rows))] += 1e-6 * rows.size  # rows may be alike; this is above the rounding of the products
    found: np.ndarray = cholesky(products, lower=True, overwrite_a=True, check_finite=False)
    return found


def _contributed(vectors: np.ndarray, own: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return what the fitted rows of a group contribute to the scores of all its rows.

    With F the vectors of the fitted rows it is V F' (1 - F F')^-1 errors, or the same V (1 - F' F)^-1 F' errors: by the smaller matrix.

    Args:
        vectors: V of the group's rows, [m, k].
        own: which of them are fitted, bool [m].
        errors: of these, labels minus scores, [f, classes].
    """
    vectors = vectors.astype(np.float64)  # where nearly all rows are one group, the matrix is nearly singular
    fitted = vectors[own]
    count, width = fitted.shape
    if count <= width:
        return vectors @ fitted.T @ np.linalg.solve(np.eye(count) - fitted @ fitted.T, errors)
    return vectors @ _pulled(fitted, errors)


def _pulled(fitted: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return (1 - F' F)^-1 F' errors, float64 [k, classes]."""
    return np.linalg.solve(np.eye(fitted.shape[1]) - fitted.T @ fitted, fitted.T @ errors)


def _whole_groups(rows: np.ndarray, groups: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows of whole groups, group by group, about `_BLOCK` at a time, with the positions where the next group begins."""
    rows = rows[np.argsort(groups[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[rows], prepend=-1))
    blocks = starts // _BLOCK
    for block in np.unique(blocks):
        own = starts[blocks == block]
        end = starts[blocks > block][:1]
        yield rows[own[0] : end[0] if len(end) else len(rows)], own[1:] - own[0]


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK))
