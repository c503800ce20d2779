"""Crossings of learning curves: at which numbers of training images one method is better than another."""

from dataclasses import dataclass

import pandas as pd

LEVEL = 0.05
"""A difference is significant if its adjusted p is below this."""


@dataclass(frozen=True)
class Stretch:
    """Neighbouring sizes with the same verdict.

    Attributes:
        verdict: 1: the first method is better, -1: the second is, 0: no significant difference.
        rows: of the table, from few images to many, as first method minus second.
    """

    verdict: int
    rows: pd.DataFrame


def pairs(paired: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs of methods of a table (`paired_differences.paired`), in its order."""
    return [(str(a), str(b)) for a, b in paired[["method_a", "method_b"]].drop_duplicates().itertuples(index=False)]


def between(paired: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Return the rows of two methods as first minus second, whichever the table has, from few images to many."""
    straight = paired[(paired["method_a"] == first) & (paired["method_b"] == second)]
    turned = paired[(paired["method_a"] == second) & (paired["method_b"] == first)]
    if len(turned):
        values = {"difference": -turned["difference"], "low": -turned["high"], "high": -turned["low"]}
        turned = turned.assign(method_a=first, method_b=second, **values)
    rows = pd.concat([straight, turned]) if len(turned) else straight
    return rows.sort_values("images_per_class", kind="stable").reset_index(drop=True)


def verdicts(rows: pd.DataFrame) -> list[int]:
    """Return 1, -1 or 0 for each row: method a is significantly better, significantly worse, or neither."""
    significant = rows["p_adjusted"].to_numpy(float) < LEVEL
    return [0 if not sure or value == 0 else 1 if value > 0 else -1 for sure, value in zip(significant, rows["difference"], strict=True)]


def stretches(rows: pd.DataFrame) -> list[Stretch]:
    """Join neighbouring sizes of one pair of methods (`between`) that have the same verdict."""
    found: list[tuple[int, list[int]]] = []
    for i, verdict in enumerate(verdicts(rows)):
        if found and found[-1][0] == verdict:
            found[-1][1].append(i)
        else:
            found.append((verdict, [i]))
    return [Stretch(verdict, rows.iloc[places]) for verdict, places in found]
