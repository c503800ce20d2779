"""Figures of a search, drawn with matplotlib and returned as SVG text for the page."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from transfer.reports.drawing import BLUE, ORANGE, QUIET, plain, svg

_SHOWN_ABOVE = 0.05  # quantile of the trials below which the axis ends: a few failures would flatten all others


def by_trial(trials: pd.DataFrame, metric: str, chosen: int) -> str:
    """Return the value of each trial, the best so far, and the one that was fitted."""
    figure = Figure(figsize=(4.6, 3), layout="constrained")
    axes = figure.subplots()
    finished, pruned = trials[trials["state"] == "finished"], trials[trials["state"] != "finished"]
    axes.plot(finished["trial"], finished["value"], ".", color=BLUE, markersize=4, label="trial")
    if len(pruned):
        axes.plot(pruned["trial"], pruned["value"], "x", color=QUIET, markersize=4, label="stopped early")
    axes.step(finished["trial"], finished["value"].cummax(), where="post", color=BLUE, linewidth=1, label="best so far")
    fitted = trials[trials["trial"] == chosen]
    axes.plot(fitted["trial"], fitted["value"], "o", color=ORANGE, markersize=8, markerfacecolor="none", label="fitted")
    lowest, highest = float(trials["value"].quantile(_SHOWN_ABOVE)), float(finished["value"].max())
    if highest > lowest:
        axes.set_ylim(lowest - 0.1 * (highest - lowest), highest + 0.1 * (highest - lowest))
    axes.set(xlabel="trial", ylabel=metric)
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    return svg(figure, f"{metric} of each trial, and the best so far")


def importances(shares: Sequence[tuple[str, float]]) -> str:
    """Return the share of each setting as a bar, the most important at the top."""
    figure = Figure(figsize=(4.6, 0.6 + 0.3 * len(shares)), layout="constrained")
    axes = figure.subplots()
    names = [plain(name) for name, _ in reversed(shares)]
    axes.barh(names, [100 * share for _, share in reversed(shares)], color=BLUE)
    axes.set(xlabel="share of the importance, %", xlim=(0, 100))
    return svg(figure, "share of the importance of each setting")
