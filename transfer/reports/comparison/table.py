"""Methods by sizes, for the terminal and the page: accuracy with half its interval, and what a run costs."""

import textwrap
from collections.abc import Sequence

import pandas as pd
from rich.cells import cell_len

from transfer.evaluation.learning_curves import OVER_SEEDS, sizes_in_order
from transfer.reports.comparison import words
from transfer.reports.names import padded, printable

_LONGEST_NAME = 28


def meaning(summary: pd.DataFrame) -> str:
    """Return what the intervals of the accuracies cover."""
    several = (summary["interval"] == OVER_SEEDS).any()
    one = (summary["interval"] != OVER_SEEDS).any()
    covers = "other seeds on the same test images" if several else "other test images for the same training"
    return f"{covers}, or other test images where only one seed was run" if several and one else covers


def cells(summary: pd.DataFrame) -> tuple[list[str], dict[str, list[str]]]:
    """Return the names of the sizes, and for each method what stands under each: `73.3 ±2.1`, or nothing where it was not run."""
    sizes = list(sizes_in_order(summary))
    found = {}
    for method, rows in summary.groupby("method", sort=False):
        by_size = {row.size_: row for row in rows.rename(columns={"size": "size_"}).itertuples()}
        found[str(method)] = [_cell(by_size[size]) if size in by_size else "" for size in sizes]
    return sizes, found


def costs(summary: pd.DataFrame) -> pd.DataFrame:
    """Return for each method the row of the largest size it was run at."""
    largest = summary.groupby("method", sort=False)["images_per_class"].idxmax()
    return summary.loc[largest].set_index("method")


def lines(summary: pd.DataFrame, width: int) -> list[str]:
    """Return the table in lines of at most `width` columns: in several pieces, one under the other, where one is too wide."""
    sizes, of_method = cells(summary)
    images = sizes_in_order(summary)
    heads = [f"all ({words.images(images[size])})" if size == words.ALL else size for size in sizes]
    columns = [[head, *(row[i] or "-" for row in of_method.values())] for i, head in enumerate(heads)]
    cost = costs(summary)
    columns += [["seconds", *(f"{cost.loc[method, 'seconds']:,.1f}" for method in of_method)]]
    if summary["energy_wh"].notna().any():
        name = "Wh" if (cost["energy_source"] == "counter").all() else "Wh (est.)"
        energies = [cost.loc[method, "energy_wh"] for method in of_method]
        columns += [[name, *("-" if pd.isna(energy) else words.energy(energy).removesuffix(" Wh") for energy in energies)]]
    columns += [["trained", *(f"{cost.loc[method, 'parameters_trained']:,}" for method in of_method)]]
    names = ["images a class", *(printable(method) for method in of_method)]
    note = (
        f"Accuracy in % with half its 95 % interval ({meaning(summary)}); seconds of a run with the most images, from nothing; "
        "trained: parameters that training changes."
    )
    return [*_pieces(names, columns, width), "", *textwrap.wrap(note, width)]


def _cell(row: object) -> str:
    half = (row.accuracy_high - row.accuracy_low) / 2  # type: ignore[attr-defined]
    return f"{100 * row.accuracy:.1f} ±{100 * half:.1f}"  # type: ignore[attr-defined]


def _pieces(names: Sequence[str], columns: list[list[str]], width: int) -> list[str]:
    first = min(max(cell_len(name) for name in names), _LONGEST_NAME, max(width // 3, 14))
    told: list[str] = []
    while columns:
        taken, room = 0, width - first
        while taken < len(columns) and (room := room - 2 - max(map(len, columns[taken]))) >= 0:
            taken += 1
        part, columns = columns[: max(taken, 1)], columns[max(taken, 1) :]
        widths = [max(map(len, column)) for column in part]
        told += [""] if told else []
        for i, name in enumerate(names):
            row = (column[i].rjust(space) for column, space in zip(part, widths, strict=True))
            told.append("  ".join([padded(name, first), *row]).rstrip())
    return told
