"""The activation maps of a layer for one image, as a grid of channels."""

import numpy as np

from transfer.reports import drawing
from transfer.reports.figures import plain


def draw(layer: str, maps: np.ndarray) -> bytes:
    """Return a PNG with the channels of a layer: all, or the 64 that vary most over this image, in the network's order.

    Args:
        layer: its name.
        maps: [h, w, c].
    """
    height, width, count = maps.shape
    channels = most_varied(maps, drawing.TILES)
    kind = "1 channel" if count == 1 else f"{count} channels"
    chosen = f", the {len(channels)} that vary most" if len(channels) < count else ""
    title = f"{plain(layer)}: {kind} of {height}x{width}{chosen}"
    return drawing.grid(spread(maps[..., channels]), title, "dark: lowest, bright: highest; each channel on its own scale", "viridis")


def most_varied(maps: np.ndarray, count: int) -> np.ndarray:
    """Return the numbers, in ascending order, of the at most `count` channels of [h, w, c] that vary most over the image."""
    spans = maps.std((0, 1))
    return np.sort(np.argsort(-spans, kind="stable")[:count])


def spread(maps: np.ndarray) -> np.ndarray:
    """Bring each channel of [h, w, c] to 0..1, lowest to highest: [c, h, w]. A channel that is the same everywhere is 0."""
    tiles = np.moveaxis(np.asarray(maps, np.float32), 2, 0)
    low, high = tiles.min((1, 2), keepdims=True), tiles.max((1, 2), keepdims=True)
    return (tiles - low) / np.where(high > low, high - low, 1)
