"""Tables of predictions: facts of each image, then one column per class."""

from collections.abc import Mapping, Sequence
from typing import Any

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


def of_images(
    rows: pd.DataFrame, probabilities: np.ndarray, classes: list[str], before: Mapping[str, Any] = {}, after: Mapping[str, Any] = {}
) -> pd.DataFrame:
    """Return path, split, label, predicted class and probabilities (rounded) of n images.

    Args:
        rows: n rows of a manifest.
        probabilities: float32 [n, classes].
        classes: names, in the order of the columns.
        before, after: further facts, name -> n values, before and after `predicted`.
    """
    facts: dict[str, Any] = {name: rows[name].to_numpy() for name in ("path", "split", "label")}
    facts |= {**before, "predicted": np.array(classes, object)[probabilities.argmax(1)]}
    return table(pd.DataFrame(facts, dtype=object).assign(**after), np.round(probabilities, DECIMALS), classes)


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
