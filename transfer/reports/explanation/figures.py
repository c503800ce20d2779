"""Figures of an explanation: where the network looked in an image, its first filters, activation maps of a layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from transfer.reports import heat
from transfer.reports.drawing import plain, png
from transfer.reports.names import printable, shortened

_TILES = 64  # filters or channels shown in one grid, at most
_GAPS = 12  # gaps as wide as one tile
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


def heat_maps(file: str, image: np.ndarray, views: Sequence[View], ood_score: float) -> bytes:
    """Return a PNG: the image as the network saw it, and beside it, for each view, the image under its heat map.

    Args:
        file: name of the image.
        image: uint8 [s, s, 3].
        views: the most probable class first.
        ood_score: of the image; above 1 it is out of distribution.
    """
    panels = 1 + len(views)
    lines = [_words(file, _LETTERS * panels), f"{_words(views[0].name)}, {probability(views[0].probability)}"]
    if ood_score > 1:
        lines.append(f"out of distribution (ood_score {ood_score:.2f})")
    figure = Figure(figsize=(3.2 * panels, 3.7 + 0.2 * len(lines)), layout="constrained")
    first, *others = figure.subplots(1, panels)
    _show(first, image, "as the network saw it", f"{image.shape[1]}x{image.shape[0]} pixels")
    for axes, view in zip(others, views, strict=True):
        said = "the more yellow, the more evidence" if view.heat.max(initial=0) > 0 else "no evidence in the image"
        _show(axes, np.asarray(heat.overlay(image, view.heat)), f"{_words(view.name)}  {probability(view.probability)}", said)
    figure.suptitle("\n".join(lines), fontsize=11, fontweight="bold")
    return png(figure)


def probability(share: float) -> str:
    """Return a probability in percent; what would be rounded to 0 or 1 is `< 0.1 %` or `> 99.9 %`."""
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


def filters(layer: str, kernels: np.ndarray, whole: bool) -> bytes:
    """Return a PNG with the filters of a layer, the first 64 at most.

    Args:
        layer: its name.
        kernels: [n, h, w, 3] (red, green, blue) or [n, h, w, 1] (grey).
        whole: whether each sees the whole image.
    """
    count, height, width, channels = kernels.shape
    shown = kernels[:_TILES]
    which = f"the first {len(shown)} of {count}" if len(shown) < count else str(count)
    kind = f"{'units that see all' if whole else 'filters of'} {height}x{width}{' pixels' if whole else ''}"
    tiles = centred(shown)
    note = "mid-grey: weight 0; each on its own scale" + (", in the colours that excite it" if channels == 3 else "")
    return _grid(tiles if channels == 3 else tiles[..., 0], f"{plain(layer)}: {which} {kind}", note)


def centred(kernels: np.ndarray) -> np.ndarray:
    """Bring each filter to 0..1, its weight 0 at 0.5 and its largest weight, of either sign, at 0 or 1: [n, h, w, c]."""
    largest = np.abs(kernels).max((1, 2, 3), keepdims=True)
    return 0.5 + 0.5 * kernels / np.where(largest > 0, largest, 1)


def activations(layer: str, maps: np.ndarray) -> bytes:
    """Return a PNG with the channels of a layer: all, or the 64 that vary most over this image, in the network's order.

    Args:
        layer: its name.
        maps: [h, w, c].
    """
    height, width, count = maps.shape
    channels = most_varied(maps, _TILES)
    kind = "1 channel" if count == 1 else f"{count} channels"
    chosen = f", the {len(channels)} that vary most" if len(channels) < count else ""
    title = f"{plain(layer)}: {kind} of {height}x{width}{chosen}"
    return _grid(spread(maps[..., channels]), title, "dark: lowest, bright: highest; each channel on its own scale", "viridis")


def most_varied(maps: np.ndarray, count: int) -> np.ndarray:
    """Return the numbers, in ascending order, of the at most `count` channels of [h, w, c] that vary most over the image."""
    spans = maps.std((0, 1))
    return np.sort(np.argsort(-spans, kind="stable")[:count])


def spread(maps: np.ndarray) -> np.ndarray:
    """Bring each channel of [h, w, c] to 0..1, lowest to highest: [c, h, w]. A channel that is the same everywhere is 0."""
    tiles = np.moveaxis(np.asarray(maps, np.float32), 2, 0)
    low, high = tiles.min((1, 2), keepdims=True), tiles.max((1, 2), keepdims=True)
    return (tiles - low) / np.where(high > low, high - low, 1)


def mosaic(tiles: np.ndarray, gap: int = 1) -> np.ndarray:
    """Lay tiles out in rows, as square as possible.

    Args:
        tiles: [n, h, w] or [n, h, w, 3], floats in 0..1; n at least 1.
        gap: between neighbours, in pixels.

    Returns:
        Of the same kind, [H, W] or [H, W, 3]; NaN in the gaps.
    """
    count, height, width = tiles.shape[:3]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, *tiles.shape[3:])
    canvas = np.full(shape, np.nan, np.float32)
    for number, tile in enumerate(tiles):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        canvas[top : top + height, left : left + width] = tile
    return canvas


def _grid(tiles: np.ndarray, title: str, note: str, colour_map: str = "gray", side: float = 7.0) -> bytes:
    """Draw a mosaic with a title and a note below it.

    Args:
        tiles: as for `mosaic`.
        title, note: words; `$` must be escaped.
        colour_map: matplotlib's, for tiles without colours of their own.
        side: of the longer side of the mosaic, in inches.
    """
    enlarged = math.ceil(_GAPS / min(tiles.shape[1:3]))  # so that the gap is a small part of small tiles as well
    tiles = tiles.repeat(enlarged, 1).repeat(enlarged, 2)
    image = mosaic(tiles, max(1, round(min(tiles.shape[1:3]) / _GAPS)))
    scale = side / max(image.shape[:2])
    figure = Figure(figsize=(max(image.shape[1] * scale, 3.5) + 0.4, image.shape[0] * scale + 1.0), layout="constrained")
    axes = figure.subplots()
    axes.imshow(_white_gaps(image), cmap=colour_map, vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(note, fontsize=9, color="#595959")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return png(figure)


def _white_gaps(image: np.ndarray) -> np.ndarray:
    """Make gaps white in colour images, which cannot show NaN; matplotlib leaves it empty in maps of numbers."""
    return np.where(np.isnan(image), 1, image) if image.ndim == 3 else image
