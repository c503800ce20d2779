"""Figures of cross-validation: of each fold, their mean with an interval, and of all images together."""

from typing import Any

import numpy as np
from scipy.stats import t as student

from transfer.evaluation.metrics import evaluate

FIGURES = ("accuracy", "log_loss", "macro_f1")


def summary(probabilities: np.ndarray, labels: np.ndarray, fold: np.ndarray, ratio: float, classes: list[str]) -> dict[str, Any]:
    """Return the figures of predictions by models that never saw the images.

    Args:
        probabilities: float [n, classes].
        labels: true class numbers, int [n].
        fold: of each image, int [n], from 1.
        ratio: images held out of a fold, divided by those that its model was made from.
        classes: names, in the order of the columns.

    Returns:
        `folds` and `images`; `per_fold` (fold, images, and `FIGURES`); for each of `FIGURES` its `mean`, `std` and `ci95` over the
        folds (see `interval`); `pooled`: the figures of all images together, with the accuracy's Wilson interval over images.
    """
    numbers = [int(number) for number in np.unique(fold)]
    found = [evaluate(probabilities[fold == number], labels[fold == number], classes) for number in numbers]
    per_fold = [
        {"fold": number, "images": of["images"]} | {name: of[name] for name in FIGURES} for number, of in zip(numbers, found, strict=True)
    ]
    pooled = evaluate(probabilities, labels, classes)
    return {
        "folds": len(numbers),
        "images": len(labels),
        "per_fold": per_fold,
        **{name: over_folds(np.array([of[name] for of in found]), ratio, name != "log_loss") for name in FIGURES},
        "pooled": {name: pooled[name] for name in ("accuracy", "accuracy_ci95", "log_loss", "macro_f1")},
    }


def over_folds(values: np.ndarray, ratio: float, is_share: bool) -> dict[str, Any]:
    """Return `mean`, `std` (of a sample) and `ci95` of a figure of folds; a share lies in 0 to 1, any other is at least 0."""
    low, high = interval(values, ratio)
    highest = 1.0 if is_share else float("inf")
    return {"mean": float(values.mean()), "std": float(values.std(ddof=1)), "ci95": [max(low, 0.0), min(high, highest)]}


def interval(values: np.ndarray, ratio: float) -> tuple[float, float]:
    """Return the 95 % interval of the mean over folds by the corrected t of Nadeau and Bengio.

    See "Inference for the generalization error", Machine Learning 52 (2003).

    The models of any two folds share most of their training images, so their figures are not independent, and the usual standard
    error is too small. The variance of the mean is taken as (1/k + ratio) times that of the folds, instead of 1/k.

    Args:
        values: float [k], of the folds; k at least 2.
        ratio: images held out of a fold, divided by those that its model was made from: 1 / (k - 1).
    """
    half = float(student.ppf(0.975, len(values) - 1)) * float(np.sqrt((1 / len(values) + ratio) * values.var(ddof=1)))
    return float(values.mean()) - half, float(values.mean()) + half
