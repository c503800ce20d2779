"""Tables of predictions: facts of each image, then one column for each class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def table(facts: pd.DataFrame, probabilities: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Return the facts of n images with their probabilities beside them.

    Args:
        facts: n rows.
        probabilities: float32 [n, classes].
        classes: names of the columns, see `columns`.
    """
    joined = pd.concat([facts.reset_index(drop=True), pd.DataFrame(probabilities)], axis=1, ignore_index=True)
    joined.columns = pd.Index(columns(list(facts.columns), classes), dtype=object)  # a name that is no Unicode does not fit Arrow's strings
    return joined


def columns(facts: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Return the names of a table's columns, no two alike.

    A class called like a fact gets `class ` in front, as often as it takes where a class of that name is there as well.
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
