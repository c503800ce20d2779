"""The first filters of a network, as an image."""

import numpy as np

from transfer.reports import drawing
from transfer.reports.figures import plain


def draw(layer: str, kernels: np.ndarray, whole: bool) -> bytes:
    """Return a PNG with the filters of a layer, the first 64 at most.

    Args:
        layer: its name.
        kernels: [n, h, w, 3] (red, green, blue) or [n, h, w, 1] (grey).
        whole: whether each sees the whole image.
    """
    count, height, width, channels = kernels.shape
    shown = kernels[: drawing.TILES]
    which = f"the first {len(shown)} of {count}" if len(shown) < count else str(count)
    kind = f"{'units that see all' if whole else 'filters of'} {height}x{width}{' pixels' if whole else ''}"
    tiles = centred(shown)
    note = "mid-grey: weight 0; each on its own scale" + (", in the colours that it answers to" if channels == 3 else "")
    return drawing.grid(tiles if channels == 3 else tiles[..., 0], f"{plain(layer)}: {which} {kind}", note)


def centred(kernels: np.ndarray) -> np.ndarray:
    """Bring each filter to 0..1, its weight 0 at 0.5 and its largest weight, of either sign, at 0 or 1: [n, h, w, c]."""
    largest = np.abs(kernels).max((1, 2, 3), keepdims=True)
    return 0.5 + 0.5 * kernels / np.where(largest > 0, largest, 1)
