"""A comparison in words: one paragraph, and a table above it for the terminal."""

import textwrap

import numpy as np
import pandas as pd

from transfer.evaluation.curve_crossings import between, pairs, verdicts
from transfer.reports.comparison import caveats, words
from transfer.reports.comparison import pairs as comparison_pairs
from transfer.reports.comparison import table as comparison_table
from transfer.reports.comparison.caveats import sizes_of

_PAIRS_TOLD = 3
"""With more pairs only those are told that the best method is in, unless all are with one reference."""

_ALIKE = 1.1
"""Times apart by less than this are about the same."""


def paragraph(runs: pd.DataFrame, summary: pd.DataFrame, paired: pd.DataFrame) -> str:
    """Return what a comparison found, in plain English.

    Args:
        runs: one row a run.
        summary: of these runs, by `evaluation.learning_curves.summary`.
        paired: of these runs, by `evaluation.paired_differences.paired`.
    """
    return " ".join(parts(runs, summary, paired))


def parts(runs: pd.DataFrame, summary: pd.DataFrame, paired: pd.DataFrame) -> list[str]:
    """Return the paragraph in its parts: who is best, the pairs, the cost, what must be known to read it."""
    told = [
        [_what(runs, summary), *_best(summary, paired)],
        [*_pairs(summary, paired), *_transfer(runs, paired)],
        _cost(summary, paired),
        [*caveats.lacking(runs, summary), *caveats.seeds(runs), *caveats.meaning(runs, paired)],
    ]
    return [" ".join(sentences) for sentences in told if sentences]


def block(runs: pd.DataFrame, summary: pd.DataFrame, paired: pd.DataFrame, width: int = 100) -> str:
    """Return the table of accuracies and costs, and the paragraph, in lines of at most `width` columns."""
    told = textwrap.wrap(paragraph(runs, summary, paired), width, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*comparison_table.lines(summary, width), "", *told])


def best(summary: pd.DataFrame, size: str) -> list[str]:
    """Return the methods with the highest accuracy at a size; more than one where they are exactly alike."""
    rows = summary[summary["size"] == size]
    return list(rows["method"][np.isclose(rows["accuracy"], rows["accuracy"].max(), rtol=0, atol=1e-12)])


def told_pairs(summary: pd.DataFrame, paired: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs worth a sentence: all, or those with the method that is best at the largest size where there are many."""
    every = pairs(paired)
    if len(every) <= _PAIRS_TOLD:
        return every
    leader = best(summary, sizes_of(summary)["size"].iloc[-1])[0]
    return [pair for pair in every if leader in pair] if paired["method_b"].nunique() > 1 else every


def from_scratch(runs: pd.DataFrame) -> set[str]:
    """Return the methods that take nothing from a pretrained network: nothing of them was ever frozen."""
    seconds = runs.groupby("method", sort=False)["seconds_frozen"].max()
    return set(seconds.index[seconds == 0])


def _what(runs: pd.DataFrame, summary: pd.DataFrame) -> str:
    sizes = sizes_of(summary)
    first, last = sizes.iloc[0], sizes.iloc[-1]
    methods = summary["method"].nunique()
    across = f"with {words.size(first['size'], first['images_per_class'])}"
    if len(sizes) > 1:
        few, many = words.images(first["images_per_class"]), words.images(last["images_per_class"])
        across = f"at {len(sizes)} sizes from {few} to {many} images a class"
    were = "was run" if methods == 1 else "were compared"
    test_images = words.counted(int(runs["test_images"].max()), "test image")
    seeds = words.counted(int(summary["seeds"].max()), "seed")
    return f"{words.counted(methods, 'method')} {were} {across}, with {seeds}, always on the same {test_images}."


def _best(summary: pd.DataFrame, paired: pd.DataFrame) -> list[str]:
    """Return who is best at the smallest and at the largest size."""
    sizes = sizes_of(summary)
    told = []
    for place in sorted({0, len(sizes) - 1}):
        name = sizes.iloc[place]["size"]
        rows = summary[summary["size"] == name].set_index("method")
        where = f"With {words.size(name, sizes.iloc[place]['images_per_class'])}"
        leaders = best(summary, name)
        figure, around = words.percent(rows.loc[leaders[0], "accuracy"]), _around(rows.loc[leaders[0]])
        if len(rows) == 1:
            only = "only " if summary["method"].nunique() > 1 else ""
            verb = "was run:" if only else "has an accuracy of"
            told.append(f"{where} {only}{leaders[0]} {verb} {figure}{around}.")
        elif len(leaders) > 1:
            told.append(f"{where} {words.listed(leaders)} share the highest accuracy, {figure}.")
        else:
            sure = _sure(paired, leaders[0], list(rows.index), name) if summary["method"].nunique() > 2 else ""
            told.append(f"{where} {leaders[0]} has the highest accuracy, {figure}{around}{sure}.")
    return told


def _around(row: pd.Series) -> str:
    low, high = 100 * row["accuracy_low"], 100 * row["accuracy_high"]
    return " (the same with each seed)" if high - low < 1e-9 else f" ({low:.1f} to {high:.1f})"


def _sure(paired: pd.DataFrame, leader: str, methods: list[str], size: str) -> str:
    """Return whether the leader is better than the others at a size."""
    others = [method for method in methods if method != leader]
    verdict = {other: _verdict(paired, leader, other, size) for other in others}
    real = [other for other in others if verdict[other] == 1]
    untold = [other for other in others if verdict[other] == 0]
    unknown = [other for other in others if verdict[other] is None]
    if len(real) == len(others):
        return f", and is better than {'the other' if len(others) == 1 else 'every other method'}"
    parts = [f"is better than {words.listed(real)}"] if real else []
    parts += [f"cannot be told apart from {words.listed(untold)}"] if untold else []
    parts += [f"was not compared with {words.listed(unknown)}"] if unknown else []
    return f"; it {words.listed(parts)}"


def _pairs(summary: pd.DataFrame, paired: pd.DataFrame) -> list[str]:
    every, told, sizes = pairs(paired), told_pairs(summary, paired), sizes_of(summary)
    sentences = [comparison_pairs.sentence(paired, a, b, len(sizes)) for a, b in told]
    if len(told) < len(every):
        sentences.append(f"The table has {words.counted(len(every) - len(told), 'further pair')}.")
    return sentences


def _transfer(runs: pd.DataFrame, paired: pd.DataFrame) -> list[str]:
    """Return where transfer does not help, if the comparison can say so."""
    scratch = from_scratch(runs)
    mixed = paired[paired["method_a"].isin(scratch) != paired["method_b"].isin(scratch)]
    if mixed.empty:
        return []
    methods = set(runs["method"])
    better: dict[str, list[str]] = {"scratch": [], "transfer": []}
    names = {row["size"]: words.size(row["size"], row["images_per_class"]) for _, row in sizes_of(mixed).iterrows()}
    for size in names:
        if any(_beats_all(mixed, one, methods - scratch, size) for one in scratch):
            better["scratch"].append(names[size])
        if any(_beats_all(mixed, one, scratch, size) for one in methods - scratch):
            better["transfer"].append(names[size])
    if better["scratch"]:
        everywhere = len(better["scratch"]) == len(names)
        where, there = ("at any size", "at each") if everywhere else (f"with {words.listed(better['scratch'])}", "there")
        return [f"Transfer does not help {where}: a network trained from scratch is better {there} than every transferred one."]
    return [] if better["transfer"] else ["It cannot be told that transfer helps at any size."]


def _beats_all(paired: pd.DataFrame, one: str, others: set[str], size: str) -> bool:
    found = [_verdict(paired, one, other, size) for other in others]
    known = [verdict for verdict in found if verdict is not None]
    return bool(known) and all(verdict == 1 for verdict in known)


def _cost(summary: pd.DataFrame, paired: pd.DataFrame) -> list[str]:
    """Return what the methods cost at the largest size at which there are two of them."""
    counts = summary.groupby("size", sort=False)["method"].size()
    sizes = sizes_of(summary[summary["size"].isin(counts.index[counts > 1])])
    if sizes.empty:
        return []
    size = sizes.iloc[-1]
    rows = summary[summary["size"] == size["size"]].sort_values("seconds", kind="stable").set_index("method")
    cheapest, others = rows.index[0], list(rows.index[1:])
    where = words.size(size["size"], size["images_per_class"])
    listed = words.listed([f"{other} {_ratio(rows, other, cheapest, 'seconds')}" for other in others])
    told = [f"A run with {where} costs {words.seconds(rows.loc[cheapest, 'seconds'])} in all with {cheapest}, and {listed}."]
    measured = rows[rows["energy_wh"].notna()]
    if len(measured):
        figures = [f"{words.energy(row['energy_wh'])} with {method}" for method, row in measured.iterrows()]
        counted = (measured["energy_source"] == "counter").all()
        estimate = "" if counted else " (an estimate: not all of it could be read from a counter)"
        told.append(f"It takes {words.listed(figures)}{estimate}.")
    leader = best(summary, size["size"])
    row = _row(paired, leader[0], cheapest, size["size"])
    if len(leader) == 1 and row is not None and rows.loc[leader[0], "seconds"] >= _ALIKE * rows.loc[cheapest, "seconds"]:
        gained = f"gains {comparison_pairs.gain(row)}" if verdicts(row.to_frame().T)[0] == 1 else "gains nothing that can be told"
        told.append(f"For its cost {leader[0]} {gained} over {cheapest} there.")
    return told


def _ratio(rows: pd.DataFrame, method: str, cheapest: str, column: str) -> str:
    value, least = float(rows.loc[method, column]), float(rows.loc[cheapest, column])
    if least <= 0:
        return words.seconds(value)
    ratio = value / least
    return f"about as much ({words.seconds(value)})" if ratio < _ALIKE else f"{words.times(ratio)} as much ({words.seconds(value)})"


def _row(paired: pd.DataFrame, first: str, second: str, size: str) -> pd.Series | None:
    rows = between(paired, first, second)
    rows = rows[rows["size"] == size]
    return None if rows.empty else rows.iloc[0]


def _verdict(paired: pd.DataFrame, first: str, second: str, size: str) -> int | None:
    row = _row(paired, first, second, size)
    return None if row is None else verdicts(row.to_frame().T)[0]
