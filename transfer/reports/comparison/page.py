"""A comparison -> one self-contained page."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from transfer.evaluation.curve_crossings import LEVEL, between, pairs
from transfer.evaluation.learning_curves import sizes_in_order
from transfer.reports import templates
from transfer.reports.comparison import figures, quantities
from transfer.reports.comparison import table as comparison_table
from transfer.reports.comparison.text import best, parts, told_pairs
from transfer.reports.names import printable, records
from transfer.reports.words import listed

_TEMPLATE = "comparison/page.html.jinja"
_DRAWN = 6
"""Pairs whose differences are drawn, unless the text tells of more; the others are folded away, and all are in the table."""


_NOT_RUN = {"accuracy": "", "interval": "", "best": False}


def render(
    name: str,
    runs: pd.DataFrame,
    summary: pd.DataFrame,
    paired: pd.DataFrame,
    config: str = "",
    facts: Mapping[str, str] | None = None,
    tuning: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the page.

    Args:
        name: of the comparison.
        runs: one row per run.
        summary: of these runs, by `evaluation.learning_curves.summary`.
        paired: of these runs, by `evaluation.paired_differences.paired`.
        config: the settings as YAML, shown at the end; "" for none.
        facts: names and values of how the comparison was made (data, machine, versions), shown at the end.
        tuning: of each search for settings: method, size, tried, chosen (text), val_accuracy, val_accuracy_as_configured, seconds.
    """
    told = told_pairs(summary, paired)
    return templates.render(
        _TEMPLATE,
        name=printable(name),
        told=[printable(part) for part in parts(runs, summary, paired)],
        covers=comparison_table.meaning(summary),
        curves=figures.learning_curves(summary),
        seconds=figures.against_seconds(summary),
        energy=figures.against_energy(summary),
        estimated=bool((summary["energy_source"] == "estimate").any()),
        differences=[_difference(paired, a, b) for a, b in [*told, *(pair for pair in pairs(paired) if pair not in told)]],
        drawn=max(_DRAWN, len(told)),
        heading=_heading(runs, summary),
        best=_best(runs, summary),
        sizes=[quantities.head(size, images) for size, images in sizes_in_order(summary).items()],
        methods=_methods(summary),
        summary=records(summary),
        paired=records(paired.assign(real=paired["p_adjusted"].astype(float) < LEVEL)),
        quantities=quantities,
        level=LEVEL,
        one_seed=bool((paired["seeds"] == 1).any()),
        many_seeds=bool((paired["seeds"] > 1).any()),
        tuning=[{key: printable(str(value)) if isinstance(value, str) else value for key, value in one.items()} for one in tuning],
        config=config,
        facts={printable(key): printable(value) for key, value in (facts or {}).items()},
    )


def _difference(paired: pd.DataFrame, first: str, second: str) -> dict[str, Any]:
    rows = between(paired, first, second)
    return {"a": printable(first), "b": printable(second), "figure": figures.differences(paired, first, second), "sizes": len(rows)}


def _heading(runs: pd.DataFrame, summary: pd.DataFrame) -> list[tuple[str, str]]:
    """Return what was compared: names and values."""
    sizes = list(sizes_in_order(summary).items())
    return [
        ("methods", f"{summary['method'].nunique():,}"),
        ("images per class", ", ".join(quantities.head(name, images) for name, images in sizes)),
        ("seeds", f"{runs['seed'].nunique():,}"),
        ("runs", f"{len(runs):,}"),
        ("test images", f"{int(runs['test_images'].max()):,}"),
    ]


def _best(runs: pd.DataFrame, summary: pd.DataFrame) -> list[dict[str, str]]:
    """Return the figures at the top: the best method with most images, the best with fewest, and the majority class."""
    sizes, found = sizes_in_order(summary), []
    for size in dict.fromkeys((list(sizes)[-1], next(iter(sizes)))):
        leaders = best(summary, size)
        row = summary[(summary["size"] == size) & (summary["method"] == leaders[0])].iloc[0]
        words = f"95 % interval {100 * row['accuracy_low']:.1f} to {100 * row['accuracy_high']:.1f} %: {printable(listed(leaders))}"
        title = f"Best with {quantities.size(size, sizes[size])}"
        found.append({"title": title, "figure": quantities.percent(row["accuracy"]), "words": words})
    if "majority" in runs:  # not in comparisons of earlier versions
        words = f"always answering \u2018{printable(str(runs['majority_class'].iloc[0]))}\u2019"
        found.append({"title": "Majority class", "figure": quantities.percent(float(runs["majority"].iloc[0])), "words": words})
    return found


def _methods(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """Return for each method its cells, by size, and what a run of it costs."""
    costs, rows = comparison_table.costs(summary), []
    leaders = {size: best(summary, size) for size in sizes_in_order(summary)}
    for method, some in summary.groupby("method", sort=False):
        by_size = some.set_index("size")
        cells = [_cell(by_size.loc[size], method in leaders[size]) if size in by_size.index else _NOT_RUN for size in leaders]
        rows.append({"name": printable(str(method)), "cells": cells, **costs.loc[method].to_dict()})
    return rows


def _cell(row: "pd.Series[Any]", leads: bool) -> dict[str, Any]:
    interval = f"{100 * row['accuracy_low']:.1f} to {100 * row['accuracy_high']:.1f}"
    return {"accuracy": f"{100 * row['accuracy']:.1f}", "interval": interval, "best": leads}
