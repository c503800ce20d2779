"""Folds of cross-validation: stratified by class, with the images of a group in one fold."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

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
