"""The scores that `ood.py` compares: pairs of sets -> one number for each judged image, larger for other data."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

Features = dict[str, np.ndarray]  # "path", "label", and one array [n, channels] for each cut point and pooling ("block4_pool:avg")

CUTS = [f"block{number}_pool" for number in range(1, 6)]
PACKAGE, BEFORE = "all cuts, avg and max", "top cut, avg, 5 nearest"
NEIGHBOURS = 2


@dataclass(frozen=True)
class Pair:
    """A set's own images, of which some are the reference, and images of other data."""

    name: str
    kind: str
    reference: Features
    own: Features
    other: Features

    def judged(self, block: str) -> np.ndarray:
        """Return the features of the judged images: the set's own, then the others."""
        return np.concatenate([self.own[block], self.other[block]])


Rule = Callable[[Pair], np.ndarray]
Change = Callable[[np.ndarray, np.ndarray], np.ndarray]  # rows, those of the reference -> rows


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def blocks(cuts: Iterable[str] = CUTS, poolings: Iterable[str] = ("avg", "max")) -> list[str]:
    return [f"{cut}:{pooling}" for cut in cuts for pooling in poolings]


def nearest(cosine: np.ndarray, count: int) -> np.ndarray:
    return 1 - np.partition(cosine, cosine.shape[1] - count, axis=1)[:, -count:].mean(1)


CHANGES: dict[str, Change] = {
    "as they are": lambda rows, _: rows,
    "square roots": lambda rows, _: np.sqrt(np.maximum(rows, 0)),
    "centred": lambda rows, reference: rows - reference.mean(0),
    "standardised": lambda rows, reference: (rows - reference.mean(0)) / np.maximum(reference.std(0), 1e-6),
}


def distance(names: list[str], neighbours: int = NEIGHBOURS, change: str = "as they are") -> Rule:
    """Mean cosine distance to the nearest images, each block at unit length."""

    def rule(pair: Pair) -> np.ndarray:
        change_of = CHANGES[change]
        cosines = [
            unit(change_of(pair.judged(name), pair.reference[name])) @ unit(change_of(pair.reference[name], pair.reference[name])).T
            for name in names
        ]
        return nearest(np.mean(cosines, 0), neighbours)

    return rule


def whole_cuts(pair: Pair) -> np.ndarray:
    """As `distance`, but average and maximum of a cut are one block."""
    cosines = []
    for cut in CUTS:
        names = blocks([cut])
        reference, rows = (np.hstack([part(name) for name in names]) for part in (pair.reference.__getitem__, pair.judged))
        cosines.append(unit(rows) @ unit(reference).T)
    return nearest(np.mean(cosines, 0), NEIGHBOURS)


def scaled(pair: Pair) -> np.ndarray:
    """Distances of each block by themselves, over their mean among the reference's images, averaged over the blocks."""
    found = []
    for name in blocks():
        reference = unit(pair.reference[name])
        among = reference @ reference.T
        np.fill_diagonal(among, -2)
        found.append(nearest(unit(pair.judged(name)) @ reference.T, NEIGHBOURS) / nearest(among, NEIGHBOURS).mean())
    return np.mean(found, 0)


def whitened(pair: Pair, cosine: bool) -> np.ndarray:
    """Mahalanobis distance from the reference's mean, or the cosine distance to the nearest once whitened; shrunk by a tenth."""
    reference = np.hstack([unit(pair.reference[name]) for name in blocks()])
    rows = np.hstack([unit(pair.judged(name)) for name in blocks()]) - reference.mean(0)
    reference = reference - reference.mean(0)
    _, singular, axes = np.linalg.svd(reference, full_matrices=False)
    variance = singular**2 / len(reference)
    least = 0.1 * variance.mean()
    if cosine:
        scale = 1 / np.sqrt(variance + least)
        return nearest(unit(rows @ axes.T * scale) @ unit(reference @ axes.T * scale).T, NEIGHBOURS)
    inside = rows @ axes.T
    return (inside**2 / (variance + least)).sum(1) + ((rows**2).sum(1) - (inside**2).sum(1)) / least


def softmax(pair: Pair) -> np.ndarray:
    """One less the largest probability of a logistic regression on the averages of the top cut."""
    from sklearn.linear_model import LogisticRegression

    name = f"{CUTS[-1]}:avg"
    reference = pair.reference[name]
    rows = [(part - reference.mean(0)) / (reference.std(0) + 1e-6) / np.sqrt(reference.shape[1]) for part in (reference, pair.judged(name))]
    return 1 - LogisticRegression(max_iter=60).fit(rows[0], pair.reference["label"]).predict_proba(rows[1]).max(1)


RULES: dict[str, Rule] = {
    "maximum softmax probability": softmax,
    BEFORE: distance(blocks(CUTS[-1:], ["avg"]), 5),
    "top cut, avg and max": distance(blocks(CUTS[-1:])),
    "all cuts, avg": distance(blocks(poolings=["avg"])),
    "all cuts, max": distance(blocks(poolings=["max"])),
    PACKAGE: distance(blocks()),
    "its nearest alone": distance(blocks(), 1),
    "its 5 nearest": distance(blocks(), 5),
    "its 10 nearest": distance(blocks(), 10),
    "first three cuts": distance(blocks(CUTS[:3])),
    "every other cut": distance(blocks(CUTS[::2])),
    "top three cuts": distance(blocks(CUTS[2:])),
    "top two cuts": distance(blocks(CUTS[3:])),
    "avg and max one block": whole_cuts,
    "square roots": distance(blocks(), change="square roots"),
    "centred": distance(blocks(), change="centred"),
    "standardised": distance(blocks(), change="standardised"),
    "whitened": lambda pair: whitened(pair, True),
    "Mahalanobis": lambda pair: whitened(pair, False),
    "distances scaled by block": scaled,
}
