"""How far the features of two engines or precisions agree, and what the difference does to a classifier."""

import numpy as np

LEAST_COSINE = 0.999
"""Features agree only if the cosine between those of each image exceeds this."""

_CLASSES, _LOGITS = 10, 5.0  # of the made-up classifiers: as many classes, and so large a standard deviation of their logits
_SMALLEST = 0.1  # of the usual deviation of a feature: below, it is taken for this, since a few images say little


def worst_cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the smallest cosine between the rows of two tables [n, width]: 1 for rows that are zero in both, -1 for rows with
    NaN."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    both_zero = (np.abs(a).sum(1) == 0) & (np.abs(b).sum(1) == 0)
    with np.errstate(invalid="ignore"):
        cosines = np.where(both_zero, 1.0, (a * b).sum(1) / np.maximum(norms, 1e-30))
    return float(np.nan_to_num(cosines, nan=-1.0).min())


def probability_difference(expected: np.ndarray, found: np.ndarray) -> float:
    """Return the largest difference of a probability that a confident linear classifier makes of two tables of features [n, width].

    There is no head yet when an engine is chosen, so its weights are made up, always the same. As in a head, the features are
    standardised, by those that are expected: an engine that is wrong by a little, but by as much as images differ, does not agree.

    Returns:
        0 to 1; 1 if a feature is NaN or infinite.
    """
    if not (np.isfinite(expected).all() and np.isfinite(found).all()):
        return 1.0
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    deviation = expected.std(axis=0)
    usual = float(np.sqrt((deviation**2).mean()))
    scale = np.maximum(deviation, _SMALLEST * usual) if usual else np.full_like(deviation, max(float(np.abs(expected).max()), 1.0))
    weights = np.random.default_rng(0).normal(0, _LOGITS / np.sqrt(expected.shape[1]), (expected.shape[1], _CLASSES))
    logits = [((table - expected.mean(axis=0)) / scale) @ weights for table in (expected, found)]
    return float(np.abs(_softmax(logits[0]) - _softmax(logits[1])).max(initial=0.0))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers: np.ndarray = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
