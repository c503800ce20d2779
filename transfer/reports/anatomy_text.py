"""The anatomy of a network, and the arithmetic of a convolution, as text of at most 100 columns."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.models.anatomy.layer_arithmetic import Convolution
from transfer.system.files import write_text

if TYPE_CHECKING:
    import pandas as pd

LONG = 40
"""Networks of more layers are shown by blocks, unless all layers are asked for."""

_WIDTH = 100
_NOTES = """\
multiply-adds: of convolutions, dense layers and products of matrices, for one image.
field: side of what one value sees, in pixels, padding included{all}.
stride: pixels between neighbours; start: first pixel that the first value sees (negative: padding).
memory: what {what} one image, in float32."""


def block(table: "pd.DataFrame", network: str, title: str, every_layer: bool = False) -> str:
    """Return the table of layers, or of blocks where the network is long, with totals and what the columns mean.

    Args:
        table: of `transfer.models.anatomy.layer_table.anatomy`.
        network: its name, which is left out where it begins the name of a layer.
        title: first line.
        every_layer: show all layers, however many they are.
    """
    by_blocks = len(table) > LONG and not every_layer
    shown = blocks(table) if by_blocks else table.assign(what=table["kind"]).rename(columns={"layer": "name"})
    rows = [[str(row.name).removeprefix(f"{network}_"), row.what, *_figures(row)] for row in shown.itertuples()]
    heads = ["block" if by_blocks else "layer", "layers" if by_blocks else "kind", "output", "parameters", "mult-adds", "field"]
    heads += ["stride", "start", "memory"]
    total = ["total", str(len(table)) if by_blocks else "", "", f"{table['parameters'].sum():,}"]
    total += [short(int(table["multiply_adds"].sum())), "", "", "", f"{short(int(table['activation_bytes'].sum()))}B"]
    lines = [title, "", *_aligned([heads, *rows, total]), ""]
    unknown = sorted(set(table["kind"][table["multiply_adds"].isna()]))
    if unknown:
        lines.append(f"Not counted, because this kind of layer is not known: {', '.join(unknown)}.")
    notes = _NOTES.format(
        all="; all: everything" if table["whole_image"].any() else "",
        what="all layers of a block give for" if by_blocks else "the layer gives for",
    )
    lines += notes.splitlines()
    if by_blocks:
        lines.append("output, field, stride and start are those of a block's last layer. --layers shows every layer.")
    return "\n".join(lines)


def blocks(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return one row for each block: sums of what adds up, the figures of the last layer for what does not."""
    groups = table.groupby("block", sort=False)
    summed = groups[["parameters", "multiply_adds", "activation_bytes"]].sum()
    last = groups.tail(1).set_index("block").drop(columns=list(summed.columns))
    return last.join(summed).assign(what=groups.size().astype(str)).reset_index(names="name")


def write_csv(table: "pd.DataFrame", file: Path) -> None:
    """Write the whole table, whole or not at all."""
    buffer = io.StringIO()
    table.to_csv(buffer, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    write_text(file, buffer.getvalue())


def short(number: float) -> str:
    """Return a number in four figures with its prefix: `15.47 G`, `86.70 M`, `612 `."""
    for prefix, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.99995 * scale:
            return f"{number / scale:#.4g} {prefix}"
    return f"{number} "


def convolution(layer: Convolution) -> str:
    """Return the arithmetic of a convolution: formulas, the numbers in them, and the results."""
    n, k, s, c, m, o = layer.size, layer.kernel, layer.stride, layer.channels, layer.filters, layer.output
    before, after = layer.zeros
    padded = f"2*{before}" if before == after else f"{before} + {after}"
    p = "2p" if before == after else "p1 + p2"
    zeros = str(before) if before == after else f"{before} before and {after} after"
    lines = [
        f"convolution {k}x{k}, stride {s}, padding {zeros}: {n}x{n}x{c} -> {o}x{o}x{m}",
        "",
        f"output side    ceil((n + {p} - (k - 1)) / s) = ceil(({n} + {padded} - ({k} - 1)) / {s}) = {o}",
        f"parameters     k*k*c*m + m = {k}*{k}*{c}*{m} + {m} = {layer.parameters:,}",
        f"multiply-adds  o*o*k*k*c*m = {o}*{o}*{k}*{k}*{c}*{m} = {layer.multiply_adds:,}",
        f"memory         o*o*m*4 bytes = {o}*{o}*{m}*4 = {layer.activation_bytes:,} bytes (float32, one image)",
    ]
    if layer.padding == "same":
        lines[3:3] = [f"               same: as many zeros as give ceil(n / s) = ceil({n} / {s}) = {o}"]
    lines += ["", "n: side of the input; k: of the kernel; s: stride; p: zeros; o: side of the output;"]
    return "\n".join([*lines, "c: channels of the input; m: filters, each with a bias."])


def _figures(row: Any) -> list[str]:
    import pandas as pd

    counted = "?" if pd.isna(row.multiply_adds) else short(int(row.multiply_adds))
    return [
        str(row.output), f"{row.parameters:,}", counted, _pair(row.field_height, row.field_width, row.whole_image, "all"),
        _pair(row.stride_height, row.stride_width, row.whole_image, "-"),
        _pair(row.start_height, row.start_width, row.whole_image, "-"), f"{short(int(row.activation_bytes))}B",
    ]  # fmt: skip


def _pair(height: Any, width: Any, whole: bool, instead: str) -> str:
    import pandas as pd

    if pd.isna(height):
        return "?"
    if whole:
        return instead
    return str(height) if height == width else f"{height}x{width}" if height > 0 else f"{height},{width}"


def _aligned(rows: list[list[str]]) -> list[str]:
    """Align columns, the first two to the left; names and kinds are shortened in their middle where the line is too long."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    free = _WIDTH - sum(widths[2:]) - len(widths) + 1
    widths[1] = min(widths[1], max(free - widths[0], 15))
    widths[0] = min(widths[0], max(free - widths[1], 12))
    lines = []
    for row in rows:
        cells = [_shortened(cell, width).ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append(" ".join(cells).rstrip())
    return lines


def _shortened(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    head = (width - 2) // 2
    return f"{text[:head]}..{text[len(text) - (width - 2 - head) :]}"
