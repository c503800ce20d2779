"""Figures as PNG, and many small images put together into one array."""

import io
import math
import warnings

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 150
TILES = 64
"""Filters or channels shown in one grid, at most."""
_GAPS = 12  # gaps as wide as one tile


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file; letters that the font lacks become boxes."""
    buffer = io.BytesIO()
    figure.set_dpi(DPI)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def mosaic(tiles: np.ndarray, gap: int = 1) -> np.ndarray:
    """Lay tiles out in rows, as nearly square as can be.

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


def grid(tiles: np.ndarray, title: str, note: str, colour_map: str = "gray", side: float = 7.0) -> bytes:
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
    """Colour images cannot say that a place is empty: there it is white; in maps of numbers NaN stays empty."""
    return np.where(np.isnan(image), 1, image) if image.ndim == 3 else image
