"""The anatomy of a network, and the arithmetic of a convolution, as text."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.models.anatomy.layer_arithmetic import Convolution
from transfer.reports.terminal import columns, fitted, wrapped
from transfer.system.files import write_text
from transfer.system.spreadsheet import to_csv

if TYPE_CHECKING:
    import pandas as pd

LONG = 40
"""Networks with more layers are shown by blocks, unless all layers are asked for."""

_NOTES = """\
multiply-adds: of convolutions, dense layers and products of matrices, for one image.
field: side of what one value sees, in pixels, padding included{all}.
stride: pixels between neighbours; start: first pixel that the first value sees (negative: padding).
memory: of the outputs of {what} for one image, in float32."""


def block(table: "pd.DataFrame", network: str, title: str, every_layer: bool = False) -> str:
    """Return the table of layers, or of blocks if the network is long, with totals and the meaning of the columns.

    Args:
        table: of `transfer.models.anatomy.layer_table.anatomy`.
        network: its name, which is left out at the beginning of layer names.
        title: first line.
        every_layer: show all layers of a long network too.
    """
    by_blocks = len(table) > LONG and not every_layer
    shown = blocks(table) if by_blocks else table.assign(what=table["kind"]).rename(columns={"layer": "name"})
    known = shown.astype(object).where(shown.notna(), None)  # what is missing becomes None
    rows = [[row["name"].removeprefix(f"{network}_"), row["what"], *_figures(row)] for row in known.to_dict("records")]
    heads = ["block", "layers"] if by_blocks else ["layer", "kind"]
    heads += ["output", "parameters", "mult-adds", "field", "stride", "start", "memory"]
    total = ["total", str(len(table)) if by_blocks else "", "", f"{table['parameters'].sum():,}"]
    total += [short(int(table["multiply_adds"].sum())), "", "", "", f"{short(int(table['activation_bytes'].sum()))}B"]
    lines = [title, "", *fitted(heads, [*rows, total], left=(0, 1)), ""]
    unknown = sorted(set(table["kind"][table["multiply_adds"].isna()]))
    if unknown:
        lines += wrapped(f"Not counted, because this kind of layer is not known: {', '.join(unknown)}.", columns())
    whole = "; all: the whole image" if table["whole_image"].any() else ""
    notes = _NOTES.format(all=whole, what="all layers of a block" if by_blocks else "the layer").splitlines()
    if by_blocks:
        notes.append("output, field, stride and start are those of a block's last layer. --layers shows every layer.")
    return "\n".join([*lines, *(line for note in notes for line in wrapped(note, columns()))])


def blocks(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return one row for each block: sums of what adds up, otherwise the figures of its last layer."""
    groups = table.groupby("block", sort=False)
    summed = groups[["parameters", "multiply_adds", "activation_bytes"]].sum()
    last = groups.tail(1).set_index("block").drop(columns=list(summed.columns))
    return last.join(summed).assign(what=groups.size().astype(str)).reset_index(names="name")


def write_csv(table: "pd.DataFrame", file: Path) -> None:
    """Write the table to a CSV file, whole or not at all."""
    write_text(file, to_csv(table))


def short(number: float) -> str:
    """Return a number with four significant figures and its prefix: `15.47 G`, `86.70 M`, `612 `."""
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
        lines[3:3] = [f"               same: the zeros that make it ceil(n / s) = ceil({n} / {s}) = {o}"]
    lines += ["", "n: side of the input; k: of the kernel; s: stride; p: zeros; o: side of the output;"]
    return "\n".join([*lines, "c: channels of the input; m: filters, each with a bias."])


def _figures(row: Any) -> list[str]:
    sides = {measure: (row[f"{measure}_height"], row[f"{measure}_width"]) for measure in ("field", "stride", "start")}
    return [
        row["output"],
        f"{row['parameters']:,}",
        "?" if row["multiply_adds"] is None else short(row["multiply_adds"]),
        *(_pair(height, width, row["whole_image"], "all" if measure == "field" else "-") for measure, (height, width) in sides.items()),
        f"{short(row['activation_bytes'])}B",
    ]


def _pair(height: int | None, width: int | None, whole: bool, instead: str) -> str:
    if height is None:
        return "?"
    if whole:
        return instead
    return str(height) if height == width else f"{height}x{width}" if height > 0 else f"{height},{width}"
