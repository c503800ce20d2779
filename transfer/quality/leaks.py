"""Leaks: properties of a file, not of what it shows, that give the class away: all dogs are PNG, all cats are small files.

A network may learn such a property instead of the image, and fail where it no longer holds. Each property is judged by its
best rule with one threshold (a decision stump), cross-validated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from transfer.system.resources import spread

COLUMNS = ["property", "accuracy", "majority", "leak", "rule"]
_UNITS = {"file size": " bytes", "width": " pixels", "height": " pixels"}
_CHANNELS = ("red", "green", "blue")


@dataclass(frozen=True)
class _Judged:
    """How well a rule did on held-out images, against always answering the largest class; shares, 0 to 1."""

    accuracy: float
    majority: float
    chance: float  # probability of so many more right answers if the rule were worthless
    rule: str

    @property
    def gain(self) -> float:
        """Share of the errors of always answering the largest class that the rule avoids."""
        return (self.accuracy - self.majority) / max(1 - self.majority, 1e-9)


def border_color(thumbnails: np.ndarray) -> np.ndarray:
    """Return the mean colour of the outermost pixels: uint8 [n, s, s, 3] -> float32 [n, 3], 0 to 255."""
    edges = [thumbnails[:, 0], thumbnails[:, -1], thumbnails[:, 1:-1, 0], thumbnails[:, 1:-1, -1]]
    return np.concatenate(edges, axis=1).mean(axis=1, dtype=np.float32)


def find(
    properties: Mapping[str, np.ndarray],
    labels: np.ndarray,
    names: Sequence[str],
    folds: int = 5,
    margin: float = 0.1,
    level: float = 0.001,
    seed: int = 0,
    saved: float = 0.5,
) -> pd.DataFrame:
    """Judge each property.

    A stump tells two classes apart, so each class is also tried against all others: where one class of many is all PNG, that
    is a leak, though it hardly changes the accuracy over all classes.

    Args:
        properties: name -> float [n], float [n, 3] (a colour), or str [n].
        labels: class numbers, int [n], from 0.
        names: of the classes.
        folds: of the cross-validation.
        margin: a leak's rule beats the accuracy of always answering the largest class by at least this much.
        level: largest probability of a false alarm over all properties and classes (Bonferroni).
        seed: of the folds.
        saved: a leak's rule for one class against the others avoids at least this share of the errors of never answering it.

    Returns:
        Table with the columns `COLUMNS`, one row per property: the rule over all classes, or the one for a single class
        if that is a leak.
    """
    fold = np.empty(len(labels), np.int64)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(labels)), labels))
    fold[order] = np.arange(len(labels)) % folds
    tests = len(properties) * (len(names) + 1)
    rows = []
    for name, values in properties.items():
        columns = _columns(name, values)
        best = _judge(columns, labels, names, fold)
        leak = best.accuracy - best.majority >= margin and best.chance <= level / tests
        if not leak and len(names) > 2:
            each = _divisible(columns, labels, saved / 2, level / tests)
            singles = spread(partial(_judge_single, columns, labels, names, fold), each)
            singles = [single for single in singles if single.gain >= saved and single.chance <= level / tests]
            best, leak = max(singles, key=lambda single: single.gain, default=best), bool(singles)
        rows.append([name, best.accuracy, best.majority, leak, best.rule])
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)  # names of classes may be no Unicode


def _columns(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Name in a rule -> column of numbers; text becomes a column of 0 and 1 for each of its values."""
    values = np.asarray(values)
    if values.dtype.kind in "US" or values.dtype == object:
        return {f"{name}={value}": (values == value).astype(np.float64) for value in np.unique(values.astype(str))}
    if values.ndim == 2:
        return {f"{name} ({channel})": values[:, number].astype(np.float64) for number, channel in enumerate(_CHANNELS)}
    return {name: values.astype(np.float64)}


def _divisible(columns: Mapping[str, np.ndarray], labels: np.ndarray, share: float, chance: float) -> list[int]:
    """Return the classes that may have a leak of their own: few, however many classes there are, so only these are cross-validated.

    Args:
        columns, labels: of n images.
        share: of the errors of never answering a class (of always answering it, if most images are of it), those that the best
            threshold for these very images must avoid at least.
        chance: smallest probability that matters: a class of too few images cannot show anything less probable.
    """
    count = np.bincount(labels)
    wrong = np.minimum(count, len(labels) - count)  # of the two constant answers, by the better one
    avoided = np.max([_avoided(values, labels, count, wrong) for values in columns.values()], axis=0)
    return np.flatnonzero((avoided >= share * wrong) & (0.5**wrong <= chance) & (count > 0)).tolist()


def _avoided(values: np.ndarray, labels: np.ndarray, count: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Return how many of its `wrong` images the best threshold gets right for each class against all others: int [classes].

    Between two images of a class the number of errors is concave in the threshold's place, so the best place is next to an image
    of the class: of all classes together there are only 2 n places to try.
    """
    order = np.lexsort((values, labels))  # class by class, each by value
    value, label = values[order], labels[order]
    ranked, place = np.sort(values), np.arange(len(values)) - (np.cumsum(count) - count)[label]
    starts = np.r_[True, (value[1:] != value[:-1]) | (label[1:] != label[:-1])]
    run = np.cumsum(starts) - 1  # images of one class and value
    first, last = place[starts][run], place[np.r_[starts[1:], True]][run] + 1
    best = np.zeros(len(count), np.int64)
    for own, below in ((first, np.searchsorted(ranked, value)), (last, np.searchsorted(ranked, value, "right"))):
        others, all_own = below - own, count[label]
        errors = np.minimum(own, others) + np.minimum(all_own - own, len(values) - all_own - others)
        np.maximum.at(best, label, wrong[label] - errors)
    return best


def _judge_single(columns: Mapping[str, np.ndarray], labels: np.ndarray, names: Sequence[str], fold: np.ndarray, label: int) -> _Judged:
    """Judge the rule for one class against all others."""
    return _judge(columns, np.where(labels == label, label, -1), names, fold)


def _judge(columns: Mapping[str, np.ndarray], labels: np.ndarray, names: Sequence[str], fold: np.ndarray) -> _Judged:
    """Cross-validate the best stump; a label of -1 stands for all other classes."""
    from scipy.stats import binom

    table = np.column_stack(list(columns.values()))
    right, usual = np.zeros(len(labels), bool), np.zeros(len(labels), bool)
    for number in np.unique(fold):
        learned, judged = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(learned):
            present, counts = np.unique(labels[learned], return_counts=True)
            right[judged] = _fitted(table[learned], labels[learned]).predict(table[judged]) == labels[judged]
            usual[judged] = labels[judged] == present[counts.argmax()]
    # McNemar's exact test: only images that just one of the two answers gets right count.
    better, worse = int((right & ~usual).sum()), int((usual & ~right).sum())
    chance = float(binom.sf(better - 1, better + worse, 0.5))
    words = _in_words(_fitted(table, labels), list(columns), names)
    return _Judged(float(right.mean()), float(usual.mean()), chance, words)


def _fitted(table: np.ndarray, labels: np.ndarray) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=1, min_samples_leaf=2, random_state=0).fit(table, labels)


def _in_words(stump: Any, columns: list[str], names: Sequence[str]) -> str:
    tree = stump.tree_
    if tree.node_count < 3:
        return "no rule: the property is the same for all classes"
    shares = tree.value[1:3, 0] * (stump.classes_ >= 0)
    high = bool(shares[1].max() >= shares[0].max())
    label = names[int(stump.classes_[shares[int(high)].argmax()])]
    column, threshold = columns[tree.feature[0]], float(tree.threshold[0])
    name, _, value = column.partition("=")
    if value:
        return f"files whose {name} {'is' if high else 'is not'} {value} are mostly '{label}'"
    limit = f"{threshold:,.0f}" if abs(threshold) >= 100 else f"{threshold:.3g}"
    return f"files whose {column} is {'above' if high else 'at most'} {limit}{_UNITS.get(column, '')} are mostly '{label}'"
