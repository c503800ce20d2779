"""Figures of a comparison, narrow enough for a phone; the page places them side by side where there is room."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator

from transfer.evaluation.curve_crossings import between, verdicts
from transfer.evaluation.learning_curves import sizes_in_order
from transfer.reports.comparison import quantities
from transfer.reports.drawing import AMBER, BLACK, BLUE, GREEN, GRID, ORANGE, PAPER, PURPLE, QUIET, SKY, plain, svg
from transfer.reports.names import shortened

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER, BLACK)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_LINES = ("-", "--", "-.", ":")
_WIDTH = 4.6  # inches: 440 px in a browser, still readable when shrunk to 350
_LONGEST_NAME = 24
_FEWEST_TICKS = 4
_ROOM = 0.055  # share of the axis that the name of a size needs


def learning_curves(summary: pd.DataFrame) -> str:
    """Return accuracy against images per class, with intervals; `all` is at its true number."""
    figure, axes = _accuracies(summary, summary, "images_per_class")
    _sizes_axis(axes, sizes_in_order(summary))
    return _finished(figure, axes, "training images per class")


def against_seconds(summary: pd.DataFrame) -> str:
    """Return accuracy against the seconds of a run from nothing; a line joins the sizes of a method."""
    return _costs(summary[summary["seconds"] > 0], summary, "seconds", "seconds of a run")


def against_energy(summary: pd.DataFrame) -> str:
    """Return accuracy against the energy of a run, or "" where none was measured. The axis says where it is an estimate."""
    measured = summary[summary["energy_wh"] > 0]
    if measured.empty:
        return ""
    counter = (measured["energy_source"] == "counter").all()
    return _costs(measured, summary, "energy_wh", f"watt-hours of a run{'' if counter else ' (estimate)'}")


def differences(paired: pd.DataFrame, first: str, second: str) -> str:
    """Return the difference of two methods by size, with intervals. Filled markers are significant, hollow ones are not."""
    rows = between(paired, first, second)
    figure = Figure(figsize=(_WIDTH, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color=QUIET, linewidth=1)
    values, low, high = (100 * rows[name].to_numpy(float) for name in ("difference", "low", "high"))
    axes.errorbar(rows["images_per_class"], values, [values - low, high - values], color=QUIET, linewidth=1, capsize=3)
    for verdict, place, value in zip(verdicts(rows), rows["images_per_class"], values, strict=True):
        colour = {1: _COLOURS[0], -1: _COLOURS[1], 0: QUIET}[verdict]
        marker = {1: "^", -1: "v", 0: "o"}[verdict]
        axes.plot(place, value, marker, color=colour, markersize=8, markerfacecolor=colour if verdict else PAPER, zorder=3)
    # Both sides of 0 are visible, whatever the differences.
    reach = max(float(np.abs([low, high]).max()), 1.0)
    axes.set_ylim(min(float(low.min()), -0.15 * reach) - 0.08 * reach, max(float(high.max()), 0.15 * reach) + 0.08 * reach)
    _sizes_axis(axes, {str(row["size"]): float(row["images_per_class"]) for _, row in rows.iterrows()})
    axes.set(xlabel="training images per class", ylabel="difference, points")
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    _more_ticks(axes)
    _open(axes)
    return svg(figure, f"difference of accuracy between {first} and {second} by images per class")


def _costs(rows: pd.DataFrame, every: pd.DataFrame, column: str, label: str) -> str:
    figure, axes = _accuracies(rows, every, column)
    axes.set_xscale("log")
    _plain_numbers(axes)
    return _finished(figure, axes, label)


def _accuracies(rows: pd.DataFrame, every: pd.DataFrame, column: str) -> tuple[Figure, Axes]:
    """Draw the accuracies of these rows, with intervals, against a column; methods look as in the figures of `every` row."""
    height = 3.2 + 0.24 * ((rows["method"].nunique() + 1) // 2)
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    for _, some, style in _methods(rows, every):
        value, low, high = (100 * some[name].to_numpy(float) for name in ("accuracy", "accuracy_low", "accuracy_high"))
        errors = [value - low, high - value]
        axes.errorbar(some[column], value, errors, linewidth=1.6, elinewidth=1, capsize=2.5, markersize=5.5, **style)
    return figure, axes


def _methods(rows: pd.DataFrame, every: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, dict[str, Any]]]:
    """Yield each method with its rows and its style, which follows from its place in `every` and so is the same in all figures."""
    names = list(every["method"].unique())
    for method, some in rows.groupby("method", sort=False):
        number = names.index(method)
        style = {
            "color": _COLOURS[number % len(_COLOURS)], "marker": _MARKERS[number % len(_MARKERS)],
            "linestyle": _LINES[number % len(_LINES)], "label": _drawable(str(method)),
        }  # fmt: skip
        yield str(method), some.sort_values("images_per_class"), style


def _sizes_axis(axes: Axes, sizes: dict[str, float]) -> None:
    axes.set_xscale("log")
    places = list(sizes.values())
    if len(places) == 1:
        axes.set_xlim(places[0] / 2, places[0] * 2)
    reach = max(float(np.log10(places[-1] / places[0])), 1e-9)
    kept: list[tuple[str, float]] = []
    for name, place in reversed(sizes.items()):  # from the right: `all` is never left out
        if not kept or np.log10(kept[0][1] / place) > (2 if kept[0][0] == quantities.ALL else 1) * _ROOM * reach:
            kept.insert(0, (name, place))
    axes.xaxis.set_major_locator(FixedLocator([place for _, place in kept]))
    axes.set_xticklabels([f"all\n({quantities.images(place)})" if name == quantities.ALL else name for name, place in kept])
    axes.xaxis.set_minor_locator(NullLocator())


def _plain_numbers(axes: Axes) -> None:
    """Label 1, 2 and 5 of each power of ten, fewer where the axis has many powers and more where it has less than one, in plain digits."""
    low, high = axes.get_xlim()
    powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = (1, 2, 5) if np.log10(high / low) < 1.6 else (1, 3) if np.log10(high / low) < 3 else (1,)
    places = [step * 10.0**power for power in powers for step in steps]
    shown = [place for place in places if low <= place <= high]
    if len(shown) < _FEWEST_TICKS:  # so short an axis is nearly linear
        shown = [place for place in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= place <= high]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.set_xticklabels([f"{place:,.10g}" for place in shown])
    axes.xaxis.set_minor_formatter(NullFormatter())


def _finished(figure: Figure, axes: Axes, label: str) -> str:
    axes.set(xlabel=label, ylabel="accuracy, %")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -1), min(high, 101))
    _more_ticks(axes)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    _open(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, handlelength=3.2, columnspacing=1.2)
    return svg(figure, f"accuracy of each method against {label}")


def _more_ticks(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(nbins=8, min_n_ticks=_FEWEST_TICKS, steps=[1, 2, 5, 10]))


def _open(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _drawable(name: str) -> str:
    """Return a name for a legend: `$` would begin a formula, and a leading `_` would hide the line."""
    text = plain(shortened(name, _LONGEST_NAME))
    return f"\u200b{text}" if text.startswith("_") else text
