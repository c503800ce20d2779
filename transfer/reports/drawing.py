"""Figures -> PNG files and SVG texts."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

_DPI = 150
_SHOWN = 96  # pixels per inch in a notebook


class Drawn(Figure):
    """A figure that a notebook shows, whether or not pyplot is in use there."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = self.get_size_inches() * _SHOWN
        return png(self), {"width": round(width), "height": round(height)}


def plain(name: str) -> str:
    """Return a file name as text that can be drawn: no stray surrogates, and `$`, which would begin a formula, escaped."""
    return name.encode("utf-8", "replace").decode().replace("$", r"\$")


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Draw without matplotlib's warnings of missing letters and tight layouts: nobody who reads them can change the figure."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file; letters that the font lacks become boxes."""
    buffer = io.BytesIO()
    figure.set_dpi(_DPI)
    with _without_warnings():
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure) -> str:
    """Return a figure as the text of an `<svg>` element, the same each time."""
    buffer = io.StringIO()
    options: dict[str, Any] = {"metadata": {"Date": None, "Creator": None}}
    # Text stays text: the reader's browser has fonts for scripts that matplotlib's own font lacks.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "transfer"}), _without_warnings():
        FigureCanvasSVG(figure).print_svg(buffer, **options)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
