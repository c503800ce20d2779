"""Figures of a run, drawn with matplotlib and returned as SVG text for the page."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer.reports.drawing import Drawn, plain, svg
from transfer.reports.names import printable, shortened

# Okabe and Ito's colours, which the colour-blind can tell apart.
_BLUE, _ORANGE = "#0072B2", "#D55E00"
_MOST_CLASSES_NAMED = 40
_LONGEST_NAME = 24  # columns beside the matrix


def learning_curves(history: pd.DataFrame, best_epoch: int) -> str:
    """Return loss and accuracy of training and validation against the epoch; stages follow each other, divided by a line.

    Two figures one after the other: on a phone they stand one below the other, and their text stays readable.
    """
    drawn = []
    for name in ("loss", "accuracy"):
        figure = Figure(figsize=(4, 3), layout="constrained")
        _draw_curves(figure.subplots(), name, history, best_epoch)
        drawn.append(svg(figure))
    return "\n".join(drawn)


def history_figure(history: pd.DataFrame, best_epoch: int) -> Drawn:
    """Return the curves of loss and accuracy side by side."""
    figure = Drawn(figsize=(8, 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _draw_curves(axes, name, history, best_epoch)
    return figure


def _draw_curves(axes: Axes, name: str, history: pd.DataFrame, best_epoch: int) -> None:
    starts = np.flatnonzero(history["stage"].to_numpy()[1:] != history["stage"].to_numpy()[:-1]) + 1
    epochs = np.arange(1, len(history) + 1)
    axes.plot(epochs, history[name], color=_BLUE, label="training")
    axes.plot(epochs, history[f"val_{name}"], color=_ORANGE, linestyle="--", label="validation")
    axes.axvline(best_epoch, color="grey", linewidth=0.8, linestyle=":", label="best epoch")
    for start in starts:
        axes.axvline(start + 0.5, color="black", linewidth=0.8, label=f"{history['stage'].iloc[start]} begins")
    axes.set(xlabel="epoch", ylabel=name)
    axes.legend(frameon=False)


def confusion(matrix: np.ndarray, classes: list[str]) -> str:
    """Return the confusion matrix of `confusion_figure`."""
    return svg(confusion_figure(matrix, classes))


def confusion_figure(matrix: np.ndarray, classes: list[str]) -> Drawn:
    """Draw a confusion matrix, int [classes, classes]: rows are true classes, columns predicted ones, colours shares of the row."""
    counts = np.asarray(matrix, float)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(max(3.0, 0.45 * len(classes) + 1.5), 14.0)
    figure = Drawn(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    if len(classes) <= _MOST_CLASSES_NAMED:
        names = [plain(shortened(printable(name), _LONGEST_NAME)) for name in classes]
        axes.set_xticks(range(len(classes)), names, rotation=60, ha="right")
        axes.set_yticks(range(len(classes)), names)
    if len(classes) <= 20:
        for i, j in np.argwhere(counts > 0):
            axes.text(j, i, f"{counts[i, j]:.0f}", ha="center", va="center", color="white" if shares[i, j] > 0.6 else "black")
    return figure


def reliability(predictions: pd.DataFrame, classes: list[str], bins: int = 10) -> str:
    """Return the figure of `reliability_figure`."""
    return svg(reliability_figure(predictions, classes, bins))


def reliability_figure(predictions: pd.DataFrame, classes: list[str], bins: int = 10) -> Drawn:
    """Draw accuracy against confidence on the test split: on the diagonal, a probability means what it says."""
    values = predictions.iloc[:, -len(classes) :].to_numpy(float)
    confidence, right = values.max(1), (predictions["label"] == predictions["predicted"]).to_numpy()
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    filled = [i for i in range(bins) if (number == i).any()]
    figure = Drawn(figsize=(3.6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    x = [confidence[number == i].mean() for i in filled]
    y = [right[number == i].mean() for i in filled]
    size = [8 + 150 * (number == i).mean() for i in filled]
    axes.scatter(x, y, s=size, color=_BLUE)
    axes.plot(x, y, color=_BLUE, linewidth=1)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    return figure
