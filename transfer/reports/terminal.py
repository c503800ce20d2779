"""Texts and tables for the terminal, laid out as plain text: words are never cut, and lines are the same in a pipe."""

import io
import shutil
from collections.abc import Iterable, Sequence
from typing import Literal

from rich.cells import cell_len

_WIDE = 1 << 16  # columns: more than any table needs, so that rich neither cuts nor breaks a cell


_NARROWEST, _WIDEST = 60, 100  # on narrower terminals lines are broken by the terminal; longer lines are hard to read


def columns() -> int:
    """Return the width of texts: that of the terminal, from 60 to 100 columns; 100 in a pipe."""
    return min(max(shutil.get_terminal_size((_WIDEST, 24)).columns, _NARROWEST), _WIDEST)


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """Return the lines of a text, broken between words; a word that is longer than a line (a path) stays whole.

    Args:
        text: words separated by white space.
        width: columns of a line.
        first, rest: what the first line and the others begin with.
    """
    lines, line, empty = [], first, True
    for word in text.split():
        if not empty and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line, empty = rest, True
        line, empty = line + ("" if empty else " ") + word, False
    return [*lines, line]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: Iterable[int] = (0,), indent: int = 0) -> list[str]:
    """Return the lines of a table: its head, and one line per row.

    Args:
        head: names of the columns; all empty: no line for them.
        rows: texts that can be printed; columns are as wide as their widest cell.
        left: numbers of the columns that are aligned to the left; numbers stand at the right.
        indent: spaces before each line.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    laid_out = Table(box=None, pad_edge=False, show_header=any(head))
    to_the_left = set(left)
    for number, name in enumerate(head):
        side: Literal["left", "right"] = "left" if number in to_the_left else "right"
        laid_out.add_column(Text(name), justify=side, no_wrap=True)
    for row in rows:
        laid_out.add_row(*(Text(cell) for cell in row))
    # Fixed settings, whatever the environment: a notebook or FORCE_COLOR would change what is written.
    plain = {"color_system": None, "force_terminal": False, "force_jupyter": False, "legacy_windows": False}
    console = Console(file=io.StringIO(), width=_WIDE, **plain)  # type: ignore[arg-type]
    with console.capture() as captured:
        console.print(laid_out)
    return [(" " * indent + line).rstrip() for line in captured.get().splitlines()]


def fitted(head: Sequence[str], rows: Iterable[Sequence[str]], left: Iterable[int] = (0,), width: int | None = None) -> list[str]:
    """Return the lines of a table; one that is too wide is in pieces, one under the other, each with the first column.

    Args:
        head, rows, left: as for `table`; at least two columns.
        width: columns of a line; none: those of the terminal, without a limit in a pipe.
    """
    room = shutil.get_terminal_size((_WIDE, 24)).columns if width is None else width
    cells, to_the_left = [head, *rows], set(left)
    pieces: list[str] = []
    start = 1
    while start < len(head):
        for end in range(len(head), start, -1):
            shown = (0, *range(start, end))
            first, *others = ([row[number] for number in shown] for row in cells)
            piece = table(first, others, [place for place, number in enumerate(shown) if number in to_the_left])
            if end == start + 1 or max(map(cell_len, piece)) <= room:
                break
        pieces += [*([""] if pieces else []), *piece]
        start = end
    return pieces
