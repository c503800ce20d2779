"""Figures of a run, drawn with matplotlib and returned as SVG text for the page."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from transfer.reports.drawing import BLUE, FILL, GRID, ORANGE, QUIET, Drawn, plain, svg
from transfer.reports.names import printable, shortened

_MOST_CLASSES_NAMED, _MOST_CLASSES_COUNTED = 40, 20
_LONGEST_NAME = 24  # columns beside the matrix


def learning_curves(history: pd.DataFrame, best_epoch: int) -> list[str]:
    """Return loss and accuracy of training and validation against the epoch; stages follow each other, divided by a line.

    Two figures one after the other: on a phone they stand one below the other, and their text stays readable.
    """
    drawn = []
    for name in ("loss", "accuracy"):
        figure = Figure(figsize=(4, 3), layout="constrained")
        _draw_curves(figure.subplots(), name, history, best_epoch)
        drawn.append(svg(figure, f"{name} of training and validation images in each epoch"))
    return drawn


def history_figure(history: pd.DataFrame, best_epoch: int) -> Drawn:
    """Return the curves of loss and accuracy side by side."""
    figure = Drawn(figsize=(8, 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _draw_curves(axes, name, history, best_epoch)
    return figure


def _draw_curves(axes: Axes, name: str, history: pd.DataFrame, best_epoch: int) -> None:
    starts = np.flatnonzero(history["stage"].to_numpy()[1:] != history["stage"].to_numpy()[:-1]) + 1
    epochs = np.arange(1, len(history) + 1)
    axes.plot(epochs, history[name], color=BLUE, label="training")
    axes.plot(epochs, history[f"val_{name}"], color=ORANGE, linestyle="--", label="validation")
    axes.axvline(best_epoch, color=QUIET, linewidth=0.8, linestyle=":", label="best epoch")
    for start in starts:
        axes.axvline(start + 0.5, color=QUIET, linewidth=0.8, label=f"{history['stage'].iloc[start]} begins")
    axes.set(xlabel="epoch", ylabel=name)
    axes.grid(color=GRID, linewidth=0.7)
    axes.legend(frameon=False)


def confusion(matrix: np.ndarray, classes: list[str]) -> str:
    """Return the confusion matrix of `confusion_figure`."""
    return svg(confusion_figure(matrix, classes), "confusion matrix: true classes in rows, predicted ones in columns")


def confusion_figure(matrix: np.ndarray, classes: list[str]) -> Drawn:
    """Draw a confusion matrix, int [classes, classes]: rows are true classes, columns predicted ones, colours shares of the row."""
    counts = np.asarray(matrix, float)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(max(3.0, 0.45 * len(classes) + 1.5), 14.0)
    figure = Drawn(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    for i, j in np.argwhere(counts > 0):
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=FILL, alpha=0.1 + 0.9 * shares[i, j], linewidth=0))
        if len(classes) <= _MOST_CLASSES_COUNTED:
            axes.text(j, i, f"{counts[i, j]:,.0f}", ha="center", va="center")
    axes.set(xlabel="predicted", ylabel="true", xlim=(-0.5, len(classes) - 0.5), ylim=(len(classes) - 0.5, -0.5), aspect="equal")
    if len(classes) <= _MOST_CLASSES_NAMED:
        names = [plain(shortened(printable(name), _LONGEST_NAME)) for name in classes]
        axes.set_xticks(range(len(classes)), names, rotation=60, ha="right")
        axes.set_yticks(range(len(classes)), names)
    return figure


def reliability(predictions: pd.DataFrame, classes: list[str], bins: int = 10) -> str:
    """Return the figure of `reliability_figure`."""
    about = "reliability: accuracy of the test images at each confidence, and the number of images there"
    return svg(reliability_figure(predictions, classes, bins), about)


def reliability_figure(predictions: pd.DataFrame, classes: list[str], bins: int = 10) -> Drawn:
    """Draw accuracy against confidence on the test split, and below it the number of images at each confidence.

    On the diagonal, a probability means what it says.
    """
    values = predictions.iloc[:, -len(classes) :].to_numpy(float)
    confidence, right = values.max(1), (predictions["label"] == predictions["predicted"]).to_numpy()
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    filled = [i for i in range(bins) if (number == i).any()]
    figure = Drawn(figsize=(4.2, 4.6), layout="constrained")
    curve, histogram = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    curve.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8)
    x = [confidence[number == i].mean() for i in filled]
    y = [right[number == i].mean() for i in filled]
    curve.plot(x, y, color=BLUE, linewidth=1, marker="o", markersize=5)
    curve.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    for outcome, below, colour, name in ((right, np.zeros(bins), FILL, "right"), (~right, _counts(number[right], bins), ORANGE, "wrong")):
        histogram.bar((np.arange(bins) + 0.5) / bins, _counts(number[outcome], bins), 0.9 / bins, below, color=colour, label=name)
    histogram.set(xlabel="confidence: probability of the predicted class", ylabel="test images", xticks=np.arange(0, 1.01, 0.2))
    histogram.legend(frameon=False, fontsize="small", loc="upper left")
    for axes in (curve, histogram):
        axes.grid(axis="y", color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
    return figure


def _counts(numbers: np.ndarray, bins: int) -> np.ndarray:
    return np.bincount(numbers, minlength=bins)
