"""Tables for the terminal: predictions, and what the feature store holds."""

import csv
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from transfer.atomic import write_text

if TYPE_CHECKING:
    from transfer.features.inventory import StoredSet


def predictions(table: pd.DataFrame, file: Path | None = None) -> str:
    """Return a table of class, probability and path; with `file`, write everything there as CSV instead."""
    failed = int((table["error"] != "").sum())
    if file is not None:
        buffer = io.StringIO()
        table.to_csv(buffer, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
        write_text(file, buffer.getvalue())
        return f"{len(table) - failed} pictures classified, {failed} not: {file}"
    width = min(max((len(str(label)) for label in table["label"]), default=5), max(shutil.get_terminal_size().columns - 40, 10))
    lines = [f"{'class':{width}}  probability  path"]
    for row in table.itertuples():
        figure = f"{row.score:11.3f}" if not row.error else f"{'-':>11}"
        lines.append(f"{row.label:{width}}  {figure}  {row.path}" + (f"  ({row.error})" if row.error else ""))
    return "\n".join(lines)


def feature_sets(sets: "list[StoredSet]") -> str:
    """Return the table of `transfer store show`."""
    if not sets:
        return "The feature store is empty."
    lines = [f"{'id':16}  {'network':20} {'size':>5}  {'precision':9} {'records':>9} {'MB':>9}  days unused"]
    for item in sets:
        records = "damaged" if item.records < 0 else f"{item.records:,}"
        lines.append(
            f"{item.id:16}  {item.network:20} {item.size:5}  {item.precision:9} "
            f"{records:>9} {item.bytes / 1e6:9.1f}  {item.days_unused:.1f}"
        )
    lines.append(f"{len(sets)} sets, {sum(item.bytes for item in sets) / 1e6:.1f} MB")
    return "\n".join(lines)


def pruned(sets: "list[StoredSet]") -> str:
    """Return what `transfer store prune` did."""
    return f"Deleted {len(sets)} feature sets, {sum(item.bytes for item in sets) / 1e6:.1f} MB."
