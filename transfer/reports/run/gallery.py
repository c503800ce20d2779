"""The test images shown of a run: the worst mistakes, and the most and the least confident predictions of each class."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer.quality.findings import Findings
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
        images: the images that it stands for: itself, and near copies of it that would be shown beside it.
    """

    path: str
    label: str
    predicted: str
    score: float
    of_label: float
    images: int = 1


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


def near_copies(findings: Findings | None) -> dict[str, str]:
    """Return path -> name of its set, for all images that are exact or near duplicates of others."""
    if findings is None:
        return {}
    near = findings.near_duplicates
    found = {path: f"near {number}" for column in ("path", "other_path") for path, number in zip(near[column], near["set"], strict=True)}
    for number, rows in findings.duplicates.groupby("set", sort=False):
        known = next((found[path] for path in rows["path"] if path in found), f"same {number}")
        found.update(dict.fromkeys(rows["path"], known))
    return found


def choose(run: Run, alike: Mapping[str, str] | None = None) -> Gallery:
    """Choose from the test images of a run by its predictions; of near copies (`near_copies`) only the first is shown."""
    classes = run.labels
    test = run.predictions[run.predictions["split"] == "test"].reset_index(drop=True)
    values = test.iloc[:, -len(classes) :].to_numpy(float)
    number = {name: position for position, name in enumerate(classes)}
    labels = np.array([number[label] for label in test["label"]], int)
    score, right = values.max(1), (test["label"] == test["predicted"]).to_numpy(bool)  # rounded probabilities may be equal
    of_label = values[np.arange(len(test)), labels]
    sets = np.array([(alike or {}).get(path, path) for path in test["path"]], object)

    def shown(positions: np.ndarray, most: int) -> list[Shown]:
        counts = Counter(sets[positions].tolist())
        first = dict(zip(reversed(sets[positions].tolist()), reversed(positions.tolist()), strict=True))
        ordered = [place for place in positions.tolist() if first[sets[place]] == place][:most]
        return [_shown(test.iloc[place], score[place], of_label[place], counts[sets[place]]) for place in ordered]

    wrong = np.flatnonzero(~right)
    by_class = []
    for name in classes[:_CLASSES]:
        own = np.flatnonzero(labels == number[name])
        confident = own[right[own]]
        best = shown(confident[np.argsort(-score[confident], kind="stable")], _OF_A_CLASS)
        taken = {(alike or {}).get(one.path, one.path) for one in best}
        uncertain = own[[sets[place] not in taken for place in own]] if len(own) else own
        by_class.append(OfClass(name, best, shown(uncertain[np.argsort(score[uncertain], kind="stable")], _OF_A_CLASS)))
    worst = shown(wrong[np.argsort(-score[wrong], kind="stable")], MISTAKES)
    return Gallery(worst, len(wrong), by_class, max(len(classes) - _CLASSES, 0))


def _shown(row: "pd.Series[object]", score: float, of_label: float, images: int) -> Shown:
    return Shown(str(row["path"]), str(row["label"]), str(row["predicted"]), float(score), float(of_label), images)
