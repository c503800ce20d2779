"""Two methods in one sentence: who is better at which sizes, by how much, and where no difference can be told."""

import pandas as pd

from transfer.evaluation.curve_crossings import Stretch, between, stretches, verdicts
from transfer.reports.comparison import quantities

Verdicts = dict[tuple[str, str, str], int]


def sentence(paired: pd.DataFrame, first: str, second: str, sizes: int) -> str:
    """Return the sentence about two methods, from few images to many.

    Args:
        paired: the table of differences, with rows of these two.
        first, second: the methods.
        sizes: number of sizes of the whole comparison; it is said where these two have fewer.
    """
    rows = between(paired, first, second)
    found = stretches(rows)
    both = "" if len(rows) == sizes else ", at the sizes that both were run at"
    clauses = [_clause(part, first, second, _where(part, len(rows), last=part is found[-1])) for part in found]
    return f"{first} and {second}{both}: {'; '.join(clauses)}."


def by_size(paired: pd.DataFrame) -> Verdicts:
    """Return, by method, other method and size: 1 better, -1 worse, 0 no difference can be told; pairs not compared are missing."""
    found: Verdicts = {}
    for (_, row), verdict in zip(paired.iterrows(), verdicts(paired), strict=True):
        found[row["method_a"], row["method_b"], row["size"]] = verdict
        found[row["method_b"], row["method_a"], row["size"]] = -verdict
    return found


def gain(row: pd.Series) -> str:
    """Return `4.1 points (2.0 to 6.2)` for a row of the table."""
    return quantities.gain(row["difference"], row["low"], row["high"])


def _clause(part: Stretch, first: str, second: str, where: str) -> str:
    start, end = part.rows.iloc[0], part.rows.iloc[-1]
    if part.verdict:
        amount = gain(end)
        if len(part.rows) > 1:
            amount = f"{gain(start)} with {_size(start)} and {amount} with {_size(end)}"
        return f"{first if part.verdict > 0 else second} is better {where}, by {amount}"
    at = f" with {_size(end)}" if len(part.rows) > 1 else ""
    return f"no difference can be told {where} ({_lead(end)}{at})"


def _lead(row: pd.Series) -> str:
    """Return who is ahead where no difference can be told."""
    if row["difference"] == 0:
        return f"the same accuracy, {gain(row)}"
    ahead = row["method_a"] if row["difference"] > 0 else row["method_b"]
    # An interval without 0 seems to contradict this: it does not allow for the other comparisons, the adjusted p does.
    excludes_zero = row["low"] > 0 or row["high"] < 0
    return f"{ahead} is ahead by {gain(row)}" + (f", adjusted p {row['p_adjusted']:.2f}" if excludes_zero else "")


def _where(part: Stretch, sizes: int, last: bool) -> str:
    """Return `at every size`, `with 10 images per class`, `with 1 to 5 images per class`, or `from 10 images per class on`."""
    rows = part.rows
    if len(rows) == 1:
        return f"with {_size(rows.iloc[0])}"
    if len(rows) == sizes:
        return "at every size" if part.verdict else "at any size"
    return f"from {_size(rows.iloc[0])} on" if last else f"with {rows['size'].iloc[0]} to {_size(rows.iloc[-1])}"


def _size(row: pd.Series) -> str:
    return quantities.size(row["size"], row["images_per_class"])
