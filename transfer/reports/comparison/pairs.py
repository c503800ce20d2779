"""Two methods in one sentence: who is better from how many images on, by how much, and where it cannot be told."""

import pandas as pd

from transfer.evaluation.curve_crossings import Stretch, between, stretches
from transfer.reports.comparison import words


def sentence(paired: pd.DataFrame, first: str, second: str, sizes: int) -> str:
    """Return the sentence about two methods.

    Args:
        paired: with rows of these two.
        first: a method.
        second: another one.
        sizes: how many the whole comparison has: fewer for these two is said.
    """
    rows = between(paired, first, second)
    parts = stretches(rows)
    real = [part for part in parts if part.verdict]
    if not real:
        return _undecided(rows, first, second, sizes)
    if real[-1].verdict < 0:  # told from the side of the one that is better in the end
        return sentence(paired, second, first, sizes)
    main = real[-1]
    end = rows["size"].iloc[-1]
    if len(parts) == 1 and len(rows) > 1:
        everywhere = "at every size" if len(rows) == sizes else "at every size that both were run at"
        return f"{first} is better than {second} {everywhere}, by {_gains(main)}."
    there = len(main.rows) > 1 and main is parts[-1]
    clauses = [f"{_capital(_span(main, end))} {first} is better than {second}, by {_gains(main, there)}"]
    clauses += [_clause(part, second, first, end) for part in real if part is not main]
    untold = [_span(part, end) for part in parts if not part.verdict]
    clauses += [f"no difference can be told {words.listed(untold)}"] if untold else []
    return "; ".join(clauses) + "."


def gain(row: pd.Series) -> str:
    """Return `4.1 points (2.0 to 6.2)` of a row of the paired table."""
    return f"{words.points(row['difference'])} ({words.interval(row['low'], row['high'])})"


def lead(row: pd.Series) -> str:
    """Return who is ahead in a row of which no difference can be told."""
    ahead = row["method_a"] if row["difference"] > 0 else row["method_b"]
    low, high = (row["low"], row["high"]) if row["difference"] >= 0 else (-row["high"], -row["low"])
    # An interval that leaves out 0 would seem to say otherwise: it knows nothing of the other comparisons.
    why = f"; adjusted p {row['p_adjusted']:.2f}" if low > 0 else ""
    if row["difference"] == 0:
        return f"both have the same accuracy (difference 0.0 points, {words.interval(low, high)})"
    return f"{ahead} is ahead by {words.points(row['difference'])} ({words.interval(low, high)}{why})"


def _undecided(rows: pd.DataFrame, first: str, second: str, sizes: int) -> str:
    last = rows.iloc[-1]
    where = words.size(last["size"], last["images_per_class"])
    if len(rows) == 1:
        return f"With {where} no difference between {first} and {second} can be told: {lead(last)}."
    every = "any size" if len(rows) == sizes else "any size that both were run at"
    return f"No difference between {first} and {second} can be told at {every}: with {where} {lead(last)}."


def _gains(part: Stretch, there: bool = False) -> str:
    """The method that is better stands first in the rows. `there`: the smallest of the sizes was named just before."""
    start, end = part.rows.iloc[0], part.rows.iloc[-1]
    if len(part.rows) == 1:
        return gain(start)
    at_start, at_end = (words.size(row["size"], row["images_per_class"]) for row in (start, end))
    return f"{gain(start)} {'there' if there else f'with {at_start}'} and by {gain(end)} with {at_end}"


def _clause(part: Stretch, other: str, subject: str, end: str) -> str:
    """Return who is better at sizes beside the main ones; `end` is the largest size."""
    where = _span(part, end)
    winner = subject if part.verdict > 0 else other
    row = part.rows.iloc[0]
    low, high = (row["low"], row["high"]) if part.verdict > 0 else (-row["high"], -row["low"])
    amount = f"{words.points(row['difference'])} ({words.interval(low, high)})"
    if len(part.rows) > 1:
        amount += f" with {words.size(row['size'], row['images_per_class'])}"
    return f"{where} {winner} is better, by {amount}"


def _span(part: Stretch, end: str) -> str:
    return words.span(part.rows, part.rows["size"].iloc[-1] == end)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
