"""One image and where the network looked in it, as a figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from transfer.reports import drawing, heat
from transfer.reports.figures import plain
from transfer.reports.names import printable, shortened

_LETTERS = 28  # that fit over one panel


@dataclass(frozen=True)
class View:
    """Where the network looked for one class.

    Attributes:
        name: of the class.
        probability: that the network gives it.
        heat: [h, w] in 0..1.
    """

    name: str
    probability: float
    heat: np.ndarray


def draw(file: str, image: np.ndarray, views: Sequence[View], ood_score: float) -> bytes:
    """Return a PNG: the image as the network saw it, and beside it once for each view with the heat map over it.

    Args:
        file: name of the image.
        image: uint8 [s, s, 3].
        views: the most probable class first.
        ood_score: 1 is the threshold above which an image is unlike those of the training.
    """
    panels = 1 + len(views)
    lines = [_words(file, _LETTERS * panels), f"{_words(views[0].name)}, {probability(views[0].probability)}"]
    if ood_score > 1:
        lines.append(f"unlike anything seen in training (ood_score {ood_score:.2f})")
    figure = Figure(figsize=(3.2 * panels, 3.7 + 0.2 * len(lines)), layout="constrained")
    first, *others = figure.subplots(1, panels)
    _show(first, image, "as the network saw it", f"{image.shape[1]}x{image.shape[0]} pixels")
    for axes, view in zip(others, views, strict=True):
        said = "the more yellow, the more it speaks for it" if view.heat.max(initial=0) > 0 else "nothing in the image speaks for it"
        _show(axes, np.asarray(heat.overlay(image, view.heat)), f"{_words(view.name)}  {probability(view.probability)}", said)
    figure.suptitle("\n".join(lines), fontsize=11, fontweight="bold")
    return drawing.png(figure)


def probability(share: float) -> str:
    """Return a probability in percent; what would be rounded to nothing or to everything is told apart from it."""
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return "> 99.9 %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"


def _words(name: str, longest: int = _LETTERS) -> str:
    return plain(shortened(printable(name), longest))


def _show(axes: Any, image: np.ndarray, title: str, note: str) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(note, fontsize=9, color="#595959")
    axes.set(xticks=[], yticks=[])
