"""Likely wrong labels: images that a simple classifier, fitted on other images, assigns to another class.

Confident learning (Northcutt, Jiang, Chuang 2021, "Confident learning: estimating uncertainty in dataset labels"), by
cleanlab, on out-of-fold probabilities of a logistic regression on standardised features.
"""

import contextlib
import io
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from transfer.quality.candidates import standardized
from transfer.system.resources import spread

COLUMNS = ["row", "given", "suggested", "given_probability", "suggested_probability"]
_ITERATIONS = 100  # more would change the probabilities, but hardly their order
_MANY = 1000  # with fewer images the penalty is reduced in proportion, or it would outweigh them
_CLEARLY = 20  # a class this many times more probable than the given one is always suggested
_FEWEST = 20  # images of each class to learn from, at least, if it has as many


def find(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    folds: int = 5,
    inverse_penalty: float = 0.01,
    seed: int = 0,
    max_rows: int = 10_000,
) -> pd.DataFrame:
    """Find the images whose label is likely wrong.

    Args:
        features: float [n, d].
        labels: class numbers, int [n], from 0.
        groups: rows of one group (near duplicates) are never divided between fitting and judging, int or str [n].
        folds: of the cross-validation.
        inverse_penalty: C of the logistic regression; smaller is more regularised.
        seed: of the folds.
        max_rows: rows fitted on in each fold, at most; all are judged.

    Returns:
        Table with the columns `COLUMNS`, the likeliest first; the probabilities are those of classifiers that did not see
        the row's group. Images of classes with a single group are not judged. Empty if fewer than two classes are left.
    """
    groups = np.unique(np.asarray(groups), return_inverse=True)[1]
    fold = _folds(labels, groups, folds, seed)
    folds_of_class = pd.Series(fold).groupby(labels).transform("nunique")
    rows = np.flatnonzero(folds_of_class > 1)  # else there are no others to learn the class from
    classes, numbers = np.unique(labels[rows], return_inverse=True)
    if len(classes) < 2:
        return _table(rows[:0], labels, classes, numbers[:0], np.zeros((0, 1)))
    # A table of all images is large: not copied where every row is judged.
    table, fold = np.asarray(features if len(rows) == len(features) else features[rows], np.float32), fold[rows]
    probabilities = _out_of_fold(table, numbers, fold, inverse_penalty, max_rows, seed)
    wrong = _ranked(numbers, probabilities)
    return _table(rows[wrong], labels, classes, wrong, probabilities)


def joined(features: Mapping[str, np.ndarray], rows: np.ndarray | None = None) -> np.ndarray:
    """Put the features of several cut points side by side, each value standardised over the chosen rows: float32 [m, d]."""
    count = len(next(iter(features.values()))) if rows is None else len(rows)
    result = np.empty((count, sum(table.shape[1] for table in features.values())), np.float32)
    start = 0
    for table in features.values():  # one at a time: all together would need several times the memory
        result[:, start : start + table.shape[1]] = standardized(table if rows is None else table[rows])
        start += table.shape[1]
    return result


def _folds(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deal groups to folds, class by class, large groups first: int [n].

    scikit-learn's StratifiedGroupKFold does the same, but takes minutes for 100,000 groups.
    """
    random = np.random.default_rng(seed)
    count = int(groups.max(initial=-1)) + 1
    label = np.zeros(count, np.int64)
    label[groups[::-1]] = labels[::-1]  # that of its first row
    size = np.bincount(groups, minlength=count)
    order = np.lexsort((random.permutation(count), -size, label))
    start = np.searchsorted(label[order], label[order])
    first_fold = random.integers(folds, size=int(labels.max(initial=0)) + 1)
    fold = np.empty(count, np.int64)
    fold[order] = (np.arange(count) - start + first_fold[label[order]]) % folds
    result: np.ndarray = fold[groups]
    return result


def _out_of_fold(table: np.ndarray, labels: np.ndarray, fold: np.ndarray, inverse_penalty: float, max_rows: int, seed: int) -> np.ndarray:
    """Probabilities of each row, by a classifier fitted on the other folds: float64 [n, classes]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probabilities = np.zeros((len(labels), int(labels.max()) + 1))

    def judge(number: int) -> None:
        rows = _some(np.flatnonzero(fold != number), labels, max_rows, seed)
        strength = inverse_penalty * max(1.0, _MANY / len(rows))
        model = make_pipeline(StandardScaler(copy=False), LogisticRegression(C=strength, max_iter=_ITERATIONS, tol=1e-3))
        model.fit(table[rows], labels[rows])
        judged = np.flatnonzero(fold == number)
        for part in np.array_split(judged, len(judged) // max_rows + 1):
            probabilities[np.ix_(part, model.classes_)] = model.predict_proba(table[part])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # unfinished optimisations are intended, see `_ITERATIONS`
        spread(judge, np.unique(fold).tolist())
    return probabilities / probabilities.sum(axis=1, keepdims=True)


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
