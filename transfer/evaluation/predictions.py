"""Tables of predictions: facts of each image, then one column per class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

DECIMALS = 6
"""Of the probabilities in the run's table: with more digits than mean anything, it would be twice as large."""


def table(facts: pd.DataFrame, probabilities: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Return the facts of n images, followed by their probabilities.

    Args:
        facts: n rows.
        probabilities: float32 [n, classes].
        classes: names of the columns, see `columns`.
    """
    joined = pd.concat([facts.reset_index(drop=True), pd.DataFrame(probabilities)], axis=1, ignore_index=True)
    joined.columns = pd.Index(columns(list(facts.columns), classes), dtype=object)  # names that are not Unicode do not fit Arrow's strings
    return joined


def columns(facts: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Return the names of a table's columns, all different.

    A class that has the name of a fact gets the prefix `class `, repeated until no other class has that name.
    """
    taken = {*facts, *classes}
    names = []
    for name in classes:
        if name in facts:
            while name in taken:
                name = f"class {name}"
            taken.add(name)
        names.append(name)
    return [*facts, *names]
