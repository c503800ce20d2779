"""The test images shown of a run: the worst mistakes, and the most and the least confident predictions of each class."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer.runs import Run

MISTAKES = 12
_OF_A_CLASS = 3
_CLASSES = 20


@dataclass(frozen=True)
class Shown:
    """One test image.

    Attributes:
        path: as in the manifest.
        label, predicted: its class and the predicted one.
        score: probability of the predicted class.
        of_label: probability of its own class.
    """

    path: str
    label: str
    predicted: str
    score: float
    of_label: float


@dataclass(frozen=True)
class OfClass:
    """Test images of one class: correct predictions with the highest probability, and those whose highest probability is lowest."""

    name: str
    confident: list[Shown]
    uncertain: list[Shown]


@dataclass(frozen=True)
class Gallery:
    """What is shown.

    Attributes:
        mistakes: the most confident first.
        mistaken: number of all mistakes.
        classes: at most twenty.
        left_out: number of further classes.
    """

    mistakes: list[Shown]
    mistaken: int
    classes: list[OfClass]
    left_out: int

    def plain(self) -> Iterator[Shown]:
        """Yield the images that are shown without an explanation."""
        for one in self.classes:
            yield from (*one.confident, *one.uncertain)


def choose(run: Run) -> Gallery:
    """Choose from the test images of a run by its predictions."""
    classes = run.labels
    test = run.predictions[run.predictions["split"] == "test"].reset_index(drop=True)
    values = test.iloc[:, -len(classes) :].to_numpy(float)
    number = {name: position for position, name in enumerate(classes)}
    labels = np.array([number[label] for label in test["label"]], int)
    score, right = values.max(1), (test["label"] == test["predicted"]).to_numpy(bool)  # rounded probabilities may be equal
    of_label = values[np.arange(len(test)), labels]

    def shown(positions: np.ndarray) -> list[Shown]:
        return [_shown(test.iloc[position], score[position], of_label[position]) for position in positions]

    wrong = np.flatnonzero(~right)
    by_class = []
    for name in classes[:_CLASSES]:
        own = np.flatnonzero(labels == number[name])
        confident = own[right[own]]
        confident = confident[np.argsort(-score[confident], kind="stable")][:_OF_A_CLASS]
        uncertain = np.setdiff1d(own, confident)
        uncertain = uncertain[np.argsort(score[uncertain], kind="stable")][:_OF_A_CLASS]
        by_class.append(OfClass(name, shown(confident), shown(uncertain)))
    worst = wrong[np.argsort(-score[wrong], kind="stable")][:MISTAKES]
    return Gallery(shown(worst), len(wrong), by_class, max(len(classes) - _CLASSES, 0))


def _shown(row: "pd.Series[object]", score: float, of_label: float) -> Shown:
    return Shown(str(row["path"]), str(row["label"]), str(row["predicted"]), float(score), float(of_label))
