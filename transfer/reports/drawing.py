"""Figures -> PNG files and SVG texts."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from markupsafe import escape
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


BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
"""Okabe and Ito's colours, which the colour-blind can tell apart; without their yellow, too light for a line on white."""

BLACK, QUIET, GRID, FILL, PAPER = "#000000", "#777777", "#e4e4e4", "#7db8e0", "#ffffff"
"""Of text and axes, of what is to stand back, of the lines of a grid, of areas with text on them, and of what lies behind."""

_OF_THE_PAGE = {
    BLACK: "currentColor", QUIET: "var(--quiet, #777777)", GRID: "var(--line, #e4e4e4)", FILL: "var(--fill, #7db8e0)",
    PAPER: "var(--back, #ffffff)",
    **{name: f"var(--series-{n}, {name})" for n, name in enumerate((BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER), 1)},
}  # fmt: skip
"""Colour -> that of the page where the figure stands, which is another one on a dark screen."""


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


def svg(figure: Figure, about: str) -> str:
    """Return a figure as the text of an `<svg>` element, the same each time.

    Nothing is drawn behind it, and the colours named above become those of the page (`style.css`).

    Args:
        figure: what to draw.
        about: what it shows, for those who cannot see it.
    """
    buffer = io.StringIO()
    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set_visible(False)
    options: dict[str, Any] = {"metadata": {"Date": None, "Creator": None}}
    # Text stays text: the reader's browser has fonts for scripts that matplotlib's own font lacks.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "transfer"}), _without_warnings():
        FigureCanvasSVG(figure).print_svg(buffer, **options)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub("(?<=: )#[0-9a-f]{6}", lambda found: _OF_THE_PAGE.get(found[0], found[0]), text)
    text = re.sub('<g id="[^"]*">', "<g>", text)  # the same in every figure; nothing refers to them
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(about)}"', 1)
