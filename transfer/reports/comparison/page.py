"""A comparison -> one self-contained page."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from transfer.evaluation.curve_crossings import LEVEL, between, pairs
from transfer.reports import templates
from transfer.reports.comparison import figures, quantities
from transfer.reports.comparison import table as comparison_table
from transfer.reports.comparison.text import parts, told_pairs
from transfer.reports.names import printable, records

_TEMPLATE = "comparison/page.html.jinja"
_DRAWN = 6
"""Pairs whose differences are drawn, unless the text tells of more; the others are folded away, and all are in the table."""


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
    heads, cells = comparison_table.cells(summary)
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
        sizes=heads,
        methods=_methods(cells, summary),
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


def _methods(cells: Mapping[str, list[str]], summary: pd.DataFrame) -> list[dict[str, Any]]:
    costs = comparison_table.costs(summary)
    best = {i: max((row[i] for row in cells.values()), key=_accuracy) for i in range(len(next(iter(cells.values()))))}
    rows = []
    for method, values in cells.items():
        marked = [{"text": text, "best": bool(text) and _accuracy(text) == _accuracy(best[i])} for i, text in enumerate(values)]
        rows.append({"name": printable(method), "cells": marked, **costs.loc[method].to_dict()})
    return rows


def _accuracy(cell: str) -> float:
    return float(cell.split()[0]) if cell else -1.0
