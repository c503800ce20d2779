"""Folds of cross-validation: stratified by class, with the images of a group in one fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from transfer.data.dataset import Dataset
from transfer.data.groups import numbered, places, units
from transfer.data.splits import position
from transfer.errors import DataError

_AT_ONCE = 1 << 20  # counts of images of a class in a group
_ALIKE = (1e-8, 1e-5)  # of `numpy.isclose`


@dataclass(frozen=True)
class Fold:
    """Positions of the rows to fit on, and of those held out, int [n] and [m]."""

    train: np.ndarray
    held_out: np.ndarray


def possible(labels: np.ndarray, groups: Sequence[str]) -> tuple[int, int]:
    """Return the smallest and the largest number of groups that a class has: with more folds than the smaller one, some lack a class."""
    _, numbers = np.unique(labels, return_inverse=True)
    pairs = np.unique(numbers * (len(labels) + 1) + numbered(groups)[0])
    distinct = np.bincount(pairs // (len(labels) + 1))
    return int(distinct.min()), int(distinct.max())


def stratified(labels: np.ndarray, groups: Sequence[str], count: int, seed: int) -> list[Fold]:
    """Divide rows into folds.

    Args:
        labels: class number of each row, int [n].
        groups: rows of one group are never split between fitting and evaluation.
        count: number of folds; fewer if a class has fewer groups, but at least two.
        seed: of the division.

    Raises:
        DataError: if no class has two groups.
    """
    smallest, largest = possible(labels, groups)
    if largest < 2:
        raise DataError(
            "Cross-validation needs two different training images of at least one class. Received one training image for each class."
        )
    count = max(2, min(count, smallest))
    fold = _divided(labels, groups, count, seed)
    return [Fold(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(count)]


def _divided(labels: np.ndarray, groups: Sequence[str], count: int, seed: int) -> np.ndarray:
    """Return the fold of each row, int64 [n]: those of scikit-learn's StratifiedGroupKFold, shuffled.

    Its own loop over groups takes minutes for 100,000 images, and a table of all groups by all classes. Here only the classes of a
    group are looked at, with the same operations in the same order: the folds are the same to the last bit.
    """
    classes, label, of_class = np.unique(labels, return_inverse=True, return_counts=True)
    number, names = numbered(groups)
    order = np.empty(len(names), np.int64)
    order[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    places = np.arange(len(names))
    np.random.RandomState(seed).shuffle(places)
    order = np.argsort(places)[order]  # of each group, after shuffling those in the order of their names
    pairs, sizes = np.unique(order[number] * len(classes) + label, return_counts=True)
    group, column = np.divmod(pairs, len(classes))
    starts = np.searchsorted(group, np.arange(len(names) + 1))
    folds = _Folds(count, of_class)
    fold = np.empty(len(names), np.int64)
    for one in np.argsort(-_spreads(group, column, sizes, (len(names), len(classes))), kind="stable").tolist():
        part = slice(starts[one], starts[one + 1])
        fold[one] = folds.add(column[part], sizes[part])
    return fold[order[number]]


def _spreads(group: np.ndarray, column: np.ndarray, sizes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the standard deviation over classes of the number of images of each group, float64 [groups]."""
    found = np.empty(shape[0])
    step = max(1, _AT_ONCE // shape[1])
    for start in range(0, shape[0], step):
        some = slice(*np.searchsorted(group, [start, start + step]))
        counts = np.zeros((min(step, shape[0] - start), shape[1]))
        counts[group[some] - start, column[some]] = sizes[some]
        found[start : start + step] = np.std(counts, axis=1)
    return found


class _Folds:
    """Folds that are being filled.

    Args:
        count: number of folds.
        of_class: images of each class, int [classes].
    """

    def __init__(self, count: int, of_class: np.ndarray) -> None:
        self._counts, self._of_class = np.zeros((count, len(of_class))), of_class.astype(np.float64)
        self._spreads, self._diagonal = np.zeros(len(of_class)), np.arange(count)

    def add(self, column: np.ndarray, sizes: np.ndarray) -> int:
        """Put a group into the fold where the classes are then divided most evenly; of several, into the smallest; return it.

        Args:
            column, sizes: its classes, and its images in each.
        """
        count = len(self._counts)
        tried = np.repeat(self._counts[:, None, column], count, axis=1)  # fold, fold that gets the group, class
        tried[self._diagonal, self._diagonal] += sizes
        tried /= self._of_class[column]
        tried -= np.add.reduce(tried, axis=0, keepdims=True) / count
        tried *= tried
        spreads = np.repeat(self._spreads[None], count, axis=0)
        spreads[:, column] = np.sqrt(np.add.reduce(tried, axis=0) / count)
        best, least, fewest = 0, np.inf, np.inf
        images = self._counts.sum(axis=1).tolist()
        for fold, value in enumerate((np.add.reduce(spreads, axis=1) / spreads.shape[1]).tolist()):
            if value < least or (abs(value - least) <= _ALIKE[0] + _ALIKE[1] * abs(least) and images[fold] < fewest):
                best, least, fewest = fold, value, images[fold]
        self._counts[best, column] += sizes
        self._spreads[column] = spreads[best, column]
        return best


def of_dataset(dataset: Dataset, count: int, seed: int) -> list[Dataset]:
    """Return the dataset of each fold of the training and validation images.

    Its `test` images are those held out. Its `validation` images are taken from the others, about as many as in the dataset itself, so
    that the images held out choose nothing. The dataset's own test images are in no split.

    Args:
        dataset: split.
        count: number of folds; fewer if a class has fewer groups.
        seed: of the division.

    Raises:
        DataError: if too few images are left to train on and to validate with.
    """
    rows = dataset.rows("train", "validation")
    labels = places(dataset.classes, rows["label"])
    share = float((rows["split"] == "validation").mean())
    found = []
    for number, fold in enumerate(stratified(labels, list(units(rows)), count, seed), start=1):
        rest = rows.iloc[fold.train]
        chosen = _held_back(_by_class(rest), share, f"fold {number}/", seed)
        if not chosen:
            raise DataError(
                "Cross-validation needs, beside the images held out, one to train on and one to validate with: at least one class needs "
                "three different images that are not test images. Add images, or leave --folds out. Received at most two of each class."
            )
        split = pd.Series("", dataset.table.index, dtype=object)
        split[rest.index] = np.where(units(rest).isin(chosen), "validation", "train")
        split[rows.index[fold.held_out]] = "test"
        found.append(replace(dataset, table=dataset.table.assign(split=split)))
    return found


def _by_class(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return class name -> the unit of each of its images. Not by pandas, whose indexes refuse names that are not Unicode."""
    found: dict[str, list[str]] = {}
    for label, unit in zip(rows["label"], units(rows), strict=True):
        found.setdefault(label, []).append(unit)
    return found


def _held_back(members_of: Mapping[str, Sequence[str]], share: float, prefix: str, seed: int) -> set[str]:
    """Choose about a share of the units of each class, at least one and never all; none of a class that has only one."""
    units_of = {
        label: sorted(set(members), key=lambda unit: (position(prefix + unit, seed), unit)) for label, members in members_of.items()
    }
    left, classes = {label: len(members) for label, members in units_of.items()}, dict[str, list[str]]()
    for label, members in units_of.items():
        for unit in members:
            classes.setdefault(unit, []).append(label)
    chosen: set[str] = set()
    for label in sorted(units_of):
        wanted = max(1, round(share * len(units_of[label])))
        for unit in units_of[label]:
            if len(units_of[label]) - left[label] >= wanted:
                break
            if unit not in chosen and all(left[other] > 1 for other in classes[unit]):
                chosen.add(unit)
                for other in classes[unit]:
                    left[other] -= 1
    return chosen
