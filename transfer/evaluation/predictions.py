"""Tables of predictions: facts of each picture, then one column for each class."""

import numpy as np
import pandas as pd


def table(facts: pd.DataFrame, probabilities: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Return the facts of n pictures with their probabilities beside them.

    Args:
        facts: n rows.
        probabilities: float32 [n, classes].
        classes: names of the columns. A class called like a fact gets `class ` in front, so that no two columns are alike.
    """
    columns = [*facts.columns, *(f"class {name}" if name in facts.columns else name for name in classes)]
    joined = pd.concat([facts.reset_index(drop=True), pd.DataFrame(probabilities)], axis=1, ignore_index=True)
    joined.columns = pd.Index(columns, dtype=object)  # a name that is no Unicode does not fit Arrow's strings
    return joined
