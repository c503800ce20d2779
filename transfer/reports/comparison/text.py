"""A comparison in words: one paragraph, and for the terminal a table above it."""

import numpy as np
import pandas as pd

from transfer.evaluation.curve_crossings import LEVEL, between, pairs
from transfer.evaluation.learning_curves import sizes_in_order
from transfer.reports.comparison import pairs as comparison_pairs
from transfer.reports.comparison import quantities
from transfer.reports.comparison import table as comparison_table
from transfer.reports.comparison.pairs import Verdicts
from transfer.reports.names import printable
from transfer.reports.terminal import wrapped
from transfer.reports.words import counted, listed, percent

_PAIRS_TOLD = 3  # of more pairs, only those with the best method get a sentence, unless all are with one reference
_ALIKE = 1.1  # costs whose ratio is below this are about the same


def paragraph(runs: pd.DataFrame, summary: pd.DataFrame, paired: pd.DataFrame) -> str:
    """Return what a comparison found, in plain English.

    Args:
        runs: one row per run.
        summary: of these runs, by `evaluation.learning_curves.summary`.
        paired: of these runs, by `evaluation.paired_differences.paired`.
    """
    return " ".join(parts(runs, summary, paired))


def parts(runs: pd.DataFrame, summary: pd.DataFrame, paired: pd.DataFrame) -> list[str]:
    """Return the paragraph in its parts: who is best, the pairs, the cost, and what is needed to read it."""
    sizes = {name: quantities.size(name, images) for name, images in sizes_in_order(summary).items()}
    verdicts = comparison_pairs.by_size(paired)
    told = [
        [_what(runs, summary), *_best(summary, verdicts, sizes)],
        [*_pairs(summary, paired, len(sizes)), *_transfer(runs, verdicts, sizes)],
        _cost(summary, paired, verdicts, sizes),
        [*_missing(runs, summary, sizes), *_seeds(runs), *_meaning(runs, paired)],
    ]
    return [" ".join(sentences) for sentences in told if sentences]


def block(runs: pd.DataFrame, summary: pd.DataFrame, paired: pd.DataFrame, width: int = 100) -> str:
    """Return the table of accuracies and costs, and the paragraph, in lines of at most `width` columns."""
    told = wrapped(paragraph(runs, summary, paired), width)
    return "\n".join([*comparison_table.lines(summary, width), "", *told])


def best(summary: pd.DataFrame, size: str) -> list[str]:
    """Return the methods with the highest accuracy at a size; several where they are equal."""
    rows = summary[summary["size"] == size]
    return list(rows["method"][np.isclose(rows["accuracy"], rows["accuracy"].max(), rtol=0, atol=1e-12)])


def told_pairs(summary: pd.DataFrame, paired: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs that get a sentence: all, or of many those with the method that is best at the largest size."""
    every = pairs(paired)
    if len(every) <= _PAIRS_TOLD or paired["method_b"].nunique() == 1:
        return every
    leader = best(summary, list(sizes_in_order(summary))[-1])[0]
    return [pair for pair in every if leader in pair]


def _what(runs: pd.DataFrame, summary: pd.DataFrame) -> str:
    sizes = sizes_in_order(summary)
    (first, few), *_ = sizes.items()
    across = f"with {quantities.size(first, few)}"
    if len(sizes) > 1:
        many = list(sizes.values())[-1]
        across = f"at {len(sizes)} sizes from {quantities.images(few)} to {quantities.images(many)} images per class"
    methods = summary["method"].nunique()
    were = "was run" if methods == 1 else "were compared"
    seeds, images = counted(int(summary["seeds"].max()), "seed"), counted(int(runs["test_images"].max()), "test image")
    told = f"{counted(methods, 'method')} {were} {across}, with {seeds}, always on the same {images}"
    if "majority" not in runs:  # comparisons of earlier versions
        return f"{told}."
    usual, most = runs["majority_class"].iloc[0], runs["majority"].iloc[0]
    return f"{told}, of which always answering '{printable(usual)}' would get {percent(most)} right."


def _best(summary: pd.DataFrame, verdicts: Verdicts, sizes: dict[str, str]) -> list[str]:
    """Return who is best at the smallest and at the largest size."""
    told = []
    smallest, *larger = sizes
    for size in (smallest, *larger[-1:]):
        rows = summary[summary["size"] == size].set_index("method")
        leaders = best(summary, size)
        row = rows.loc[leaders[0]]
        spread = "the same with each seed" if row["accuracy_high"] - row["accuracy_low"] < 1e-11 else _interval(row)
        accuracy = f"{quantities.percent(row['accuracy'])} ({spread})"
        if len(rows) == 1 and summary["method"].nunique() > 1:
            told.append(f"Only {leaders[0]} was run with {sizes[size]}: {accuracy}.")
        elif len(rows) == 1:
            told.append(f"With {sizes[size]} {leaders[0]} has an accuracy of {accuracy}.")
        elif len(leaders) > 1:
            told.append(f"With {sizes[size]} {listed(leaders)} share the highest accuracy, {quantities.percent(row['accuracy'])}.")
        else:
            sure = _sure(leaders[0], rows.index, size, verdicts)
            told.append(f"With {sizes[size]} {leaders[0]} has the highest accuracy, {accuracy}{sure}.")
    return told


def _interval(row: pd.Series) -> str:
    return f"{100 * row['accuracy_low']:.1f} to {100 * row['accuracy_high']:.1f}"


def _sure(leader: str, methods: pd.Index, size: str, verdicts: Verdicts) -> str:
    """Return whether the leader is better than the other methods at a size; of two methods their own sentence says so."""
    if len(methods) == 2:
        return ""
    rest = [method for method in methods if method != leader]
    of = {verdict: [method for method in rest if verdicts.get((leader, method, size)) == verdict] for verdict in (1, 0, None)}
    if len(of[1]) == len(rest):
        return ", and is better than every other method"
    words = {1: "is better than", 0: "cannot be told apart from", None: "was not compared with"}
    return f"; it {listed([f'{words[verdict]} {listed(names)}' for verdict, names in of.items() if names])}"


def _pairs(summary: pd.DataFrame, paired: pd.DataFrame, sizes: int) -> list[str]:
    told, every = told_pairs(summary, paired), pairs(paired)
    more = [f"The table has {counted(len(every) - len(told), 'further pair')}."] if len(told) < len(every) else []
    return [comparison_pairs.sentence(paired, a, b, sizes) for a, b in told] + more


def _transfer(runs: pd.DataFrame, verdicts: Verdicts, sizes: dict[str, str]) -> list[str]:
    """Return where transfer does not help, if the comparison can tell."""
    seconds = runs.groupby("method", sort=False)["seconds_frozen"].max()
    scratch, transferred = list(seconds.index[seconds == 0]), list(seconds.index[seconds > 0])

    def winning(some: list[str], rivals: list[str], size: str) -> bool:
        found = [[verdicts[one, rival, size] for rival in rivals if (one, rival, size) in verdicts] for one in some]
        return any(against and all(verdict == 1 for verdict in against) for against in found)

    compared = [size for size in sizes if any((a, b, size) in verdicts for a in scratch for b in transferred)]
    useless = [sizes[size] for size in compared if winning(scratch, transferred, size)]
    if useless:
        where = "at any size" if len(useless) == len(compared) else f"with {listed(useless)}"
        return [f"Transfer does not help {where}: there a network trained from scratch is better than every transferred one."]
    helps = any(winning(transferred, scratch, size) for size in compared)
    return [] if helps or not compared else ["Whether transfer helps at any size cannot be told."]


def _cost(summary: pd.DataFrame, paired: pd.DataFrame, verdicts: Verdicts, sizes: dict[str, str]) -> list[str]:
    """Return what the methods cost at the largest size that several were run at."""
    counts = summary.groupby("size")["method"].size()
    shared = [size for size in sizes if counts[size] > 1]
    if not shared:
        return []
    size = shared[-1]
    rows = summary[summary["size"] == size].sort_values("seconds", kind="stable").set_index("method")
    seconds, cheapest = rows["seconds"], str(rows.index[0])
    costs = [f"{method} {quantities.seconds(value)}{_ratio(value, seconds.iloc[0])}" for method, value in seconds.iloc[1:].items()]
    told = [f"A run with {sizes[size]} takes {quantities.seconds(seconds.iloc[0])} in all with {cheapest}; {listed(costs)}."]
    measured = rows[rows["energy_wh"].notna()]
    if len(measured):
        energies = listed([f"{quantities.energy(row['energy_wh'])} with {method}" for method, row in measured.iterrows()])
        counter = (measured["energy_source"] == "counter").all()
        told.append(f"It uses {energies}{'' if counter else ' (an estimate: not all of it could be read from a counter)'}.")
    leader, *equal = best(summary, size)
    if not equal and (leader, cheapest, size) in verdicts and seconds[leader] >= _ALIKE * seconds[cheapest]:
        gains = "no difference that can be told"
        if verdicts[leader, cheapest, size] == 1:
            compared = between(paired, leader, cheapest)
            gains = comparison_pairs.gain(compared[compared["size"] == size].iloc[0])
        told.append(f"The extra cost of {leader} over {cheapest} buys {gains}.")
    return told


def _ratio(value: float, least: float) -> str:
    ratio = value / least if least > 0 else float("nan")
    if np.isnan(ratio):
        return ""
    return " (about the same)" if ratio < _ALIKE else f" ({ratio:.1f} times)" if ratio < 9.95 else f" ({ratio:,.0f} times)"


def _missing(runs: pd.DataFrame, summary: pd.DataFrame, sizes: dict[str, str]) -> list[str]:
    """Return the sizes that a method was not run at, and that seeds are missing."""
    told = []
    for method, rows in summary.groupby("method", sort=False):
        missing = [name for size, name in sizes.items() if size not in set(rows["size"])]
        told += [f"{method} was not run with {listed(missing, 'or')}."] if missing else []
    most = runs["seed"].nunique()
    fewer = summary[summary["seeds"] < most]
    if len(fewer):
        first, others = fewer.iloc[0], len(fewer) - 1
        more = f", and {others} more {'has' if others == 1 else 'have'} too few" if others else ""
        told.append(f"Runs are missing: {first['method']} with {sizes[first['size']]} has {first['seeds']} of {most} seeds{more}.")
    return told


def _seeds(runs: pd.DataFrame) -> list[str]:
    return {
        1: ["Only one seed was run: the intervals cover the choice of test images, not the luck of one training."],
        2: ["Two seeds say little about the luck of a training, so the intervals are wide: run more."],
    }.get(runs["seed"].nunique(), [])  # fmt: skip


def _meaning(runs: pd.DataFrame, paired: pd.DataFrame) -> list[str]:
    """Return what a difference, its interval and `better` mean."""
    if runs["method"].nunique() == 1:
        return ["With one method there is nothing to compare."]
    if paired.empty:
        return ["No two methods have runs of the same size and seed to compare."]
    several = paired["seeds"] > 1
    over = "seeds and test images" if several.all() else "test images"
    over += ", and seeds where there are several" if several.any() and not several.all() else ""
    holm = f" adjusted for {len(paired)} comparisons (Holm)" if len(paired) > 1 else ""
    told = [f"Differences are in percentage points, with 95 % intervals over {over}; better means p{holm} below {LEVEL}."]
    lost = int(((paired["p"] < LEVEL) & (paired["p_adjusted"] >= LEVEL)).sum())
    if lost:
        fewer = " or a reference (fewer comparisons)" if paired["method_b"].nunique() > 1 else ""
        told.append(f"{counted(lost, 'difference')} would be significant alone but not among so many: more seeds{fewer} would help.")
    return told
