"""Predictions -> metrics, by NumPy and scikit-learn."""

import math
from typing import Any

import numpy as np

from transfer.evaluation.calibration import uncalibrated

_BINS = 15
_SMALLEST = 1e-7
_Z95 = 1.959963984540054


def evaluate(probabilities: np.ndarray, labels: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Return the metrics of predictions.

    Args:
        probabilities: float [n, classes], rows sum to 1.
        labels: true class numbers, int [n], n at least 1.
        classes: names, in the order of the columns.

    Returns:
        `images`, `accuracy`, `accuracy_ci95` (Wilson), `macro_f1`, `log_loss` (nats), `ece` (15 bins), `per_class` (name ->
        precision, recall, recall_ci95, f1, images), and `confusion` (rows true, columns predicted).
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    predicted = probabilities.argmax(1)
    right = int((predicted == labels).sum())
    numbers = np.arange(len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0.0)
    confusion = confusion_matrix(labels, predicted, labels=numbers)
    per_class = {
        name: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "recall_ci95": list(wilson(int(confusion[i, i]), int(support[i]))),
            "f1": float(f1[i]),
            "images": int(support[i]),
        }
        for i, name in enumerate(classes)
    }
    present = support > 0
    return {
        "images": len(labels),
        "accuracy": right / len(labels),
        "accuracy_ci95": list(wilson(right, len(labels))),
        "macro_f1": float(f1[present].mean()),
        "log_loss": log_loss(probabilities, labels),
        "ece": expected_calibration_error(probabilities, labels),
        "per_class": per_class,
        "confusion": confusion.tolist(),
    }


def wilson(successes: int, trials: int, z: float = _Z95) -> tuple[float, float]:
    """Return the Wilson score interval of a share (Wilson 1927), 95 % by default; (0, 1) without trials.

    SciPy's `binomtest(...).proportion_ci` gives the same, thousands of times slower: it computes an exact test first.
    """
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    denominator = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / denominator
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / denominator
    # Exact at both ends: rounding must not exclude 0 or 1.
    return 0.0 if successes == 0 else centre - half, 1.0 if successes == trials else centre + half


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean negative logarithm of the true class's probability, at least 1e-7, in nats."""
    of_true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(of_true, _SMALLEST, 1.0)).mean())


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = _BINS) -> float:
    """Return the mean distance between confidence and accuracy over bins of confidence of equal width (Guo et al. 2017)."""
    confidence = probabilities.max(1).astype(np.float64)
    right = probabilities.argmax(1) == labels
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for i in range(bins):
        inside = number == i
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(error)


def calibrated(probabilities: np.ndarray, temperature: float, labels: np.ndarray) -> dict[str, float]:
    """Return the `temperature` of calibrated probabilities [n, classes], and `ece` and `log_loss` without and with it."""
    before = uncalibrated(probabilities, temperature)
    return {
        "temperature": temperature,
        "ece_before": expected_calibration_error(before, labels),
        "ece_after": expected_calibration_error(probabilities, labels),
        "log_loss_before": log_loss(before, labels),
        "log_loss_after": log_loss(probabilities, labels),
    }
