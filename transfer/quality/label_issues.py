"""Likely wrong labels: images that a simple classifier, fitted on the other images, assigns to another class.

The classifier is a ridge regression from standardised features to the classes, without the image and its near duplicates (`ridge`).
One temperature turns its scores into probabilities, on which cleanlab's confident learning (Northcutt, Jiang, Chuang 2021,
"Confident learning: estimating uncertainty in dataset labels") decides.
"""

import contextlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer.quality import ridge
from transfer.quality.tables import Standardized, Table
from transfer.quality.vectors import standardized

COLUMNS = ["row", "given", "suggested", "given_probability", "suggested_probability"]
_CLEARLY = 20  # a class this many times more probable than the given one is always suggested
_FEWEST = 20  # images of each class to learn from, at least, if it has as many
_CHANCE = 0.001  # largest probability of so many right answers if nothing could be learned
_TEMPERATURES = (1e-3, 30.0)
_VALUES = 20_000_000  # probabilities that are in memory at a time


@dataclass(frozen=True)
class LabelIssues:
    """What was found.

    Attributes:
        table: columns `COLUMNS`, the likeliest first; probabilities are those of a classifier fitted without the row's group.
        judged: number of images that have others of their class to learn from.
        accuracy: share of them to which this classifier gives their label, 0 to 1; NaN if there are none.
        majority: the share that always naming the most frequent class would get right.
        learned: whether the classifier is better than that by more than chance, and by the wanted gain; if not, it says nothing
            of single labels, and `table` is empty.
    """

    table: pd.DataFrame
    judged: int
    accuracy: float
    majority: float
    learned: bool


def find(
    features: np.ndarray | Standardized,
    labels: np.ndarray,
    groups: np.ndarray,
    inverse_penalty: float = 0.01,
    seed: int = 0,
    max_rows: int = 10_000,
    gain: float = 0.1,
) -> LabelIssues:
    """Find the images whose label is likely wrong.

    Args:
        features: float32 [n, d], standardised; in memory or not.
        labels: class numbers, int [n], from 0.
        groups: rows of one group (near duplicates) are judged without each other, int or str [n].
        inverse_penalty: the penalty is 1 / (100 * inverse_penalty) times d; smaller is more regularised.
        seed: of the rows fitted on.
        max_rows: rows fitted on, at most; all are judged.
        gain: share of the errors of always naming the most frequent class that the classifier must avoid.

    Returns:
        Images of classes with a single group are not judged. The table is empty if fewer than two classes are left.
    """
    groups = np.unique(np.asarray(groups), return_inverse=True)[1]
    groups_of_class = pd.Series(groups).groupby(labels).transform("nunique").to_numpy()
    rows = np.flatnonzero(groups_of_class > 1)  # else there are no others to learn the class from
    classes, numbers = np.unique(labels[rows], return_inverse=True)
    if len(classes) < 2:
        return LabelIssues(pd.DataFrame(columns=COLUMNS), 0, float("nan"), float("nan"), False)
    table, groups = _of_rows(features, rows), groups[rows]
    fitted = np.zeros(len(rows), bool)
    fitted[_some(np.arange(len(rows)), numbers, max_rows, seed)] = True
    right, majority, tables = 0, float(np.bincount(numbers).max() / len(rows)), []
    parts = _parts(groups, len(classes))
    for part in parts:
        judged = part if len(parts) == 1 else np.union1d(part, np.flatnonzero(fitted))
        some = _of_rows(table, judged)
        scores = ridge.without_own_group(some, numbers[judged], groups[judged], fitted[judged], table.shape[1] / (100 * inverse_penalty))
        own = slice(None) if len(parts) == 1 else np.isin(judged, part)
        right += int((scores.argmax(axis=1) == numbers[judged])[own].sum())
        if len(parts) == 1 and not _learned(right, len(rows), majority, gain):
            break
        probabilities = _probabilities(scores, numbers[judged], fitted[judged])[own]
        wrong = _ranked(numbers[part], probabilities)
        tables.append(_table(rows[part[wrong]], labels, classes, wrong, probabilities))
    learned = _learned(right, len(rows), majority, gain)
    found = pd.concat(tables, ignore_index=True) if learned else pd.DataFrame(columns=COLUMNS)
    if len(tables) > 1:
        found = found.sort_values("given_probability", kind="stable", ignore_index=True)
    return LabelIssues(found, len(rows), right / len(rows), majority, learned)


def _parts(groups: np.ndarray, classes: int) -> list[np.ndarray]:
    """Divide the rows into parts of whole groups, so that the probabilities of all classes are in memory for one part at a time.

    Args:
        groups: numbers of the groups, int [n], from 0.
        classes: number of probabilities of a row.
    """
    count = -(-len(groups) * classes // _VALUES)
    part = groups * count // (int(groups.max()) + 1)
    return [np.flatnonzero(part == number) for number in np.unique(part)]


def _of_rows(features: np.ndarray | Standardized, rows: np.ndarray) -> np.ndarray | Standardized:
    if isinstance(features, Standardized):
        return features.of_rows(rows)
    # A table of all images is large: not copied where every row is judged.
    return np.asarray(features if len(rows) == len(features) else features[rows], np.float32)


def joined(features: Mapping[str, Table], rows: np.ndarray | None = None) -> np.ndarray:
    """Put the features of several cut points side by side, each value standardised over the chosen rows: float32 [m, d]."""
    count = len(next(iter(features.values()))) if rows is None else len(rows)
    result = np.empty((count, sum(table.shape[1] for table in features.values())), np.float32)
    start = 0
    for table in features.values():  # one at a time: all together would need several times the memory
        result[:, start : start + table.shape[1]] = standardized(table[:] if rows is None else table[rows])
        start += table.shape[1]
    return result


def _some(rows: np.ndarray, labels: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Choose rows at random: of each class its share of `most`, but at least a few."""
    if len(rows) <= most:
        return rows
    rows = np.random.default_rng(seed).permutation(rows)
    order = np.argsort(labels[rows], kind="stable")
    sorted_labels = labels[rows][order]
    rank = np.arange(len(rows)) - np.searchsorted(sorted_labels, sorted_labels)
    quota = np.maximum(np.bincount(sorted_labels) * most // len(rows), _FEWEST)
    return np.sort(rows[order[rank < quota[sorted_labels]]])


def _learned(right: int, images: int, majority: float, gain: float) -> bool:
    """Return whether so many right answers show that something was learned: not by chance, and not next to nothing."""
    from scipy.stats import binom

    return right / images - majority >= gain * (1 - majority) and float(binom.sf(right - 1, images, majority)) <= _CHANCE


def _probabilities(scores: np.ndarray, labels: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Turn scores into probabilities, by the temperature at which the fitted rows' labels are most probable: float32 [n, classes]."""
    from scipy.optimize import minimize_scalar

    some, given = scores[fitted], labels[fitted]
    below = some - some.max(axis=1, keepdims=True)
    of_given = below[np.arange(len(some)), given]

    def loss(logarithm: float) -> float:
        sharp = np.exp(-logarithm)
        return float(np.mean(np.log(np.exp(below * sharp).sum(axis=1)) - of_given * sharp))

    low, high = np.log(_TEMPERATURES)
    temperature = np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 0.02}).x)
    result = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    return result / result.sum(axis=1, keepdims=True)


def _ranked(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Rows that confident learning calls wrong, or whose label is clearly less probable; the least probable labels first."""
    from cleanlab.filter import find_label_issues

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        found = np.asarray(find_label_issues(labels, probabilities, n_jobs=1), bool)
    given, best = probabilities[np.arange(len(labels)), labels], probabilities.max(axis=1)
    # Where nearly all images are easy, confident learning demands a similar certainty of every class it suggests, and
    # misses one wrong label in five.
    wrong = (found | (best >= _CLEARLY * given)) & (probabilities.argmax(axis=1) != labels)
    rows = np.flatnonzero(wrong)
    result: np.ndarray = rows[np.argsort(given[rows], kind="stable")]
    return result


def _table(rows: np.ndarray, labels: np.ndarray, classes: np.ndarray, wrong: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    suggested = probabilities[wrong].argmax(axis=1)
    given = np.searchsorted(classes, labels[rows])
    columns = [rows, labels[rows], classes[suggested], probabilities[wrong, given], probabilities[wrong, suggested]]
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
