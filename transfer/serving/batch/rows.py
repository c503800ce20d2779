"""What a run's export says of n files, in their order; and that as a table."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer.evaluation import predictions

FACTS = ["path", "label", "score", "ood_score", "is_ood", "error"]
"""The first columns of the table; then comes one for each class."""


@dataclass(frozen=True)
class Rows:
    """What the export says of n files.

    Attributes:
        errors: why a file was not classified; empty where it was.
        probabilities: float32 [n, classes]; NaN where there is an error.
        ood_score: float32 [n]; NaN where there is an error.
        known: bool [n]; False where there is an error.
    """

    errors: list[str]
    probabilities: np.ndarray
    ood_score: np.ndarray
    is_ood: np.ndarray

    def __len__(self) -> int:
        return len(self.errors)

    @property
    def size(self) -> int:
        """Bytes of the arrays."""
        return int(self.probabilities.nbytes + self.ood_score.nbytes + self.is_ood.nbytes)

    @classmethod
    def empty(cls, errors: list[str], classes: int) -> "Rows":
        """Return rows without an answer yet."""
        count = len(errors)
        nothing = np.full((count, classes), np.nan, np.float32), np.full(count, np.nan, np.float32), np.zeros(count, bool)
        return cls(errors, *nothing)

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """Return the rows of at least one part after those of another."""
        errors = [error for part in parts for error in part.errors]
        arrays = ([getattr(part, name) for part in parts] for name in ("probabilities", "ood_score", "is_ood"))
        return cls(errors, *(np.concatenate(own) for own in arrays))

    def table(self, paths: Sequence[str | os.PathLike[str]], labels: list[str]) -> pd.DataFrame:
        """Return path, label, score, ood_score, is_ood, error, and one column for each class.

        Where a file was not classified, the label is empty, figures are NaN, and `is_ood` is False.
        """
        good = np.array([not error for error in self.errors], bool)
        best = np.where(good, np.nan_to_num(self.probabilities, nan=-1.0).argmax(1), 0) if len(labels) else np.zeros(len(self), int)
        facts = pd.DataFrame(
            {
                "path": pd.Series([os.fspath(path) for path in paths], dtype=object),
                "label": pd.Series([labels[number] if ok else "" for number, ok in zip(best, good, strict=True)], dtype=object),
                "score": self.probabilities[np.arange(len(self)), best],
                "ood_score": self.ood_score,
                "is_ood": self.is_ood,
                "error": pd.Series(self.errors, dtype=object),
            }
        )
        return predictions.table(facts, self.probabilities, labels)
