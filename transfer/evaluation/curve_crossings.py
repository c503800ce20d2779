"""From how many images a class on one method is better than another for good."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

LEVEL = 0.05
"""A difference is real where its adjusted p is below this."""


@dataclass(frozen=True)
class Stretch:
    """Neighbouring sizes with the same verdict.

    Attributes:
        verdict: 1: the first method is better, -1: the second is, 0: no difference can be told.
        rows: of the table, from few images to many, seen from the first method.
    """

    verdict: int
    rows: pd.DataFrame


def between(paired: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Return the rows of two methods, whichever stands first in the table, as first less second, from few images to many."""
    straight = paired[(paired["method_a"] == first) & (paired["method_b"] == second)]
    turned = paired[(paired["method_a"] == second) & (paired["method_b"] == first)]
    if len(turned):
        values = {"difference": -turned["difference"], "low": -turned["high"], "high": -turned["low"]}
        turned = turned.assign(method_a=first, method_b=second, **values)
    rows = pd.concat([straight, turned]) if len(turned) else straight
    return rows.sort_values("images_per_class", kind="stable").reset_index(drop=True)


def verdicts(rows: pd.DataFrame) -> list[int]:
    """Return 1, -1 or 0 for each row: method a is really better, really worse, or it cannot be told."""
    real = rows["p_adjusted"].to_numpy(float) < LEVEL
    return [0 if not sure or value == 0 else 1 if value > 0 else -1 for sure, value in zip(real, rows["difference"], strict=True)]


def stretches(rows: pd.DataFrame) -> list[Stretch]:
    """Return the sizes of one pair (`between`) joined where neighbours have the same verdict."""
    found: list[tuple[int, list[int]]] = []
    for i, verdict in enumerate(verdicts(rows)):
        if found and found[-1][0] == verdict:
            found[-1][1].append(i)
        else:
            found.append((verdict, [i]))
    return [Stretch(verdict, rows.iloc[places]) for verdict, places in found]


def crossings(paired: pd.DataFrame) -> pd.DataFrame:
    """Return who is better for good, and from where on.

    Returns:
        One row for each pair of the table: `method_a`, `method_b`, `better` (the method that is really better at the largest
        size, or "" where it cannot be told), `from_size` (the smallest size from which on it is really better at every size;
        "" without one), `from_images` (the same in images a class; NaN without one), `undecided` (sizes at which no
        difference can be told, separated by spaces).
    """
    rows = []
    for a, b in pairs(paired):
        parts = stretches(between(paired, a, b))
        last = parts[-1]
        start = last.rows.iloc[0] if last.verdict else None
        undecided: Iterable[str] = (size for part in parts if not part.verdict for size in part.rows["size"])
        rows.append(
            {
                "method_a": a, "method_b": b, "better": {1: a, -1: b, 0: ""}[last.verdict],
                "from_size": "" if start is None else start["size"],
                "from_images": float("nan") if start is None else start["images_per_class"], "undecided": " ".join(undecided),
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=["method_a", "method_b", "better", "from_size", "from_images", "undecided"])


def pairs(paired: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs of a table in its order."""
    return [(str(a), str(b)) for a, b in paired[["method_a", "method_b"]].drop_duplicates().itertuples(index=False)]
