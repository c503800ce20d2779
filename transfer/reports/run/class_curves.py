"""Each class against all others at every threshold: precision and recall, as points of small figures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

SHOWN, FOLDED = 12, 48
"""Classes that are shown, the worst first, and further ones that are folded away."""

_POINTS = 50  # of a curve; more could not be told apart in a figure this small
_LEFT, _TOP, _WIDTH, _HEIGHT = 34, 8, 206, 120  # of the area between the axes, in units of the template


@dataclass(frozen=True)
class ClassCurves:
    """One class against all others.

    Attributes:
        name: of the class.
        images: test images of the class.
        average_precision: area under the curve of precision against recall, on the test images.
        against_recall: precision against recall.
        precision, recall: against the threshold. Curves are points, `x,y x,y`, in the units of the template.
        threshold: with the best F1 on the validation images; None where these have none of the class.
        at_threshold: precision and recall on the test images there; precision is None where nothing is above it.
    """

    name: str
    images: int
    average_precision: float
    against_recall: str
    precision: str
    recall: str
    threshold: float | None
    at_threshold: tuple[float | None, float]


def of_run(predictions: pd.DataFrame, classes: Sequence[str]) -> list[ClassCurves]:
    """Return the curves of all classes that the test images have, those of the lowest average precision first."""
    test, validation = (_scores(predictions, classes, split) for split in ("test", "validation"))
    found = [_curves(name, number, test, validation) for number, name in enumerate(classes) if (test[1] == number).any()]
    return sorted(found, key=lambda one: one.average_precision)


def _scores(predictions: pd.DataFrame, classes: Sequence[str], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of a split, [n, classes], and its class numbers, [n]."""
    rows = predictions[predictions["split"] == split]
    number = {name: position for position, name in enumerate(classes)}
    return rows.iloc[:, -len(classes) :].to_numpy(float), np.array([number[label] for label in rows["label"]], int)


def _curves(name: str, number: int, test: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray]) -> ClassCurves:
    score, own = test[0][:, number], test[1] == number
    _, precision, recall = curve(score, own)
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    kept = np.unique(np.linspace(0, len(recall) - 1, _POINTS).round().astype(int))
    grid = np.linspace(0, 1, _POINTS + 1)
    at = [_at(score, own, threshold) for threshold in grid]
    known = [(threshold, value) for threshold, (value, _) in zip(grid, at, strict=True) if value is not None]
    best = _best_threshold(validation[0][:, number], validation[1] == number)
    return ClassCurves(
        name, int(own.sum()), average,
        _points([0.0, *recall[kept]], [precision[0], *precision[kept]]),
        _points([x for x, _ in known], [y for _, y in known]),
        _points(grid, [value for _, value in at]),
        best, (None, 0.0) if best is None else _at(score, own, best),
    )  # fmt: skip


def curve(score: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each different score as a threshold, from the highest down, with the precision and the recall of what is at or above it.

    Args:
        score: probability of the class, float [n].
        own: whether an image is of the class, bool [n]; at least one is.
    """
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(own[order])
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
    return ranked[ends], hits[ends] / (ends + 1), hits[ends] / hits[-1]


def _best_threshold(score: np.ndarray, own: np.ndarray) -> float | None:
    if not own.any():
        return None
    threshold, precision, recall = curve(score, own)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(threshold[f1.argmax()])


def _at(score: np.ndarray, own: np.ndarray, threshold: float) -> tuple[float | None, float]:
    """Return precision (None: nothing is above the threshold) and recall."""
    above = score >= threshold
    return (float(own[above].mean()) if above.any() else None), float(above[own].mean())


def _points(x: Sequence[float] | np.ndarray, y: Sequence[float]) -> str:
    return " ".join(f"{_LEFT + _WIDTH * a:.0f},{_TOP + _HEIGHT * (1 - b):.1f}" for a, b in zip(x, y, strict=True))
