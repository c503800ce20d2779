"""Predictions -> metrics, by NumPy and scikit-learn."""

import math
from collections.abc import Mapping
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
        `images`, `accuracy`, `accuracy_ci95` (Wilson), `majority_class` (the most frequent label), `majority` (its share: the
        accuracy of always answering it), `macro_f1`, `log_loss` (nats), `ece` (15 bins), `per_class` (name -> precision, recall,
        recall_ci95, f1, images), and `confusion` (true name -> predicted name -> images, without zeros; see `confusion_matrix`).
    """
    from sklearn.metrics import precision_recall_fscore_support

    predicted = probabilities.argmax(1)
    right = int((predicted == labels).sum())
    numbers = np.arange(len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0.0)
    hits = np.bincount(labels[predicted == labels], minlength=len(classes))
    per_class = {
        name: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "recall_ci95": list(wilson(int(hits[i]), int(support[i]))),
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
        "majority_class": classes[int(support.argmax())],
        "majority": int(support.max()) / len(labels),
        "macro_f1": float(f1[present].mean()),
        "log_loss": log_loss(probabilities, labels),
        "ece": expected_calibration_error(probabilities, labels),
        "per_class": per_class,
        "confusion": _confusion(labels, predicted, classes),
    }


def _confusion(labels: np.ndarray, predicted: np.ndarray, classes: list[str]) -> dict[str, dict[str, int]]:
    """Return the non-zero cells of the confusion matrix: of 1,200 classes, these are thousands of more than a million."""
    pairs, counts = np.unique(np.stack([labels, predicted]), axis=1, return_counts=True)
    cells: dict[str, dict[str, int]] = {}
    for true, other, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
        cells.setdefault(classes[true], {})[classes[other]] = count
    return cells


def confusion_cells(metrics: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return the non-zero cells of the confusion matrix of a split: true name -> predicted name -> images.

    Args:
        metrics: of the split, as `evaluate` returns them; runs of earlier versions hold the whole matrix instead of its cells.
    """
    found: dict[str, dict[str, int]] | list[list[int]] = metrics["confusion"]
    if isinstance(found, dict):
        return found
    names = list(metrics["per_class"])
    rows = {true: {names[i]: count for i, count in enumerate(row) if count} for true, row in zip(names, found, strict=True)}
    return {true: row for true, row in rows.items() if row}


def confusion_matrix(metrics: Mapping[str, Any]) -> np.ndarray:
    """Return the whole confusion matrix of a split, as `evaluate` returned it: int64 [classes, classes], rows true, columns predicted."""
    number = {name: position for position, name in enumerate(metrics["per_class"])}
    matrix = np.zeros((len(number), len(number)), np.int64)
    for true, row in confusion_cells(metrics).items():
        for predicted, count in row.items():
            matrix[number[true], number[predicted]] = count
    return matrix


def majority(metrics: Mapping[str, Any]) -> tuple[str, float]:
    """Return the most frequent class of a split and its share of the images, of runs of earlier versions, too."""
    images = {name: of_class["images"] for name, of_class in metrics["per_class"].items()}
    name = max(images, key=lambda name: images[name])
    return name, images[name] / metrics["images"]


def absent(metrics: Mapping[str, Any]) -> list[str]:
    """Return the classes of which a split has no image: its figures say nothing of them."""
    return [name for name, of_class in metrics["per_class"].items() if not of_class["images"]]


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


def share_difference(right: int, trials: int, other_right: int, other_trials: int) -> tuple[float, float, float]:
    """Return the difference of two shares of different images and its 95 % interval: (value, low, high).

    Newcombe's hybrid of two Wilson intervals (1998, method 10), which holds near 0 and 1, and for few images.
    """
    first, second = right / trials, other_right / other_trials
    (low, high), (other_low, other_high) = wilson(right, trials), wilson(other_right, other_trials)
    value = first - second
    return value, value - math.hypot(first - low, other_high - second), value + math.hypot(high - first, second - other_low)


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
