"""Folds of cross-validation: stratified by class, with the images of a group in one fold."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from transfer.data.dataset import Dataset
from transfer.data.groups import places, units
from transfer.data.splits import position
from transfer.errors import DataError


@dataclass(frozen=True)
class Fold:
    """Positions of the rows to fit on, and of those held out, int [n] and [m]."""

    train: np.ndarray
    held_out: np.ndarray


def possible(labels: np.ndarray, groups: Sequence[str]) -> tuple[int, int]:
    """Return the smallest and the largest number of groups that a class has: with more folds than the smaller one, some lack a class."""
    distinct = pd.DataFrame({"label": labels, "group": list(groups)}).groupby("label")["group"].nunique()
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
    from sklearn.model_selection import StratifiedGroupKFold

    smallest, largest = possible(labels, groups)
    if largest < 2:
        raise DataError(
            "Cross-validation needs two different training images of at least one class. Received one training image for each class."
        )
    splitter = StratifiedGroupKFold(max(2, min(count, smallest)), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class with one image is in one fold only; its errors count
        return [Fold(train, held_out) for train, held_out in splitter.split(np.zeros(len(labels)), labels, list(groups))]


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
