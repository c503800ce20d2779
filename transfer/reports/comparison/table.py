"""Methods by sizes, for the terminal and the page: accuracy with half its interval, and what a run costs."""

import pandas as pd

from transfer.evaluation.learning_curves import OVER_SEEDS, sizes_in_order
from transfer.reports.comparison import quantities
from transfer.reports.names import printable, shortened
from transfer.reports.terminal import fitted, wrapped

_LONGEST_NAME = 28
_FIRST = "images per class"


def meaning(summary: pd.DataFrame) -> str:
    """Return what the intervals of the accuracies cover."""
    over_seeds = summary["interval"] == OVER_SEEDS
    covers = "other seeds on the same test images" if over_seeds.any() else "other test images for the same training"
    return f"{covers}, or other test images where only one seed was run" if over_seeds.any() and not over_seeds.all() else covers


def cells(summary: pd.DataFrame) -> tuple[list[str], dict[str, list[str]]]:
    """Return the heads of the sizes, and for each method the cell under each: `73.3 ±2.1`, or "" where it was not run."""
    sizes = sizes_in_order(summary)
    half = 50 * (summary["accuracy_high"] - summary["accuracy_low"])
    texts = (100 * summary["accuracy"]).map("{:.1f}".format) + half.map(" ±{:.1f}".format)
    found = {(method, size): text for method, size, text in zip(summary["method"], summary["size"], texts, strict=True)}
    heads = [quantities.head(size, images) for size, images in sizes.items()]
    return heads, {str(method): [found.get((method, size), "") for size in sizes] for method in summary["method"].unique()}


def costs(summary: pd.DataFrame) -> pd.DataFrame:
    """Return for each method the row of the largest size it was run at."""
    largest = summary.groupby("method", sort=False)["images_per_class"].idxmax()
    return summary.loc[largest].set_index("method")


def lines(summary: pd.DataFrame, width: int) -> list[str]:
    """Return the table in lines of at most `width` columns: in pieces, one under the other, where it is too wide."""
    heads, of_method = cells(summary)
    cost = costs(summary)
    columns = [[head, *(row[i] or "-" for row in of_method.values())] for i, head in enumerate(heads)]
    columns.append(["seconds", *cost["seconds"].map("{:,.1f}".format)])
    if summary["energy_wh"].notna().any():
        name = "Wh" if (cost["energy_source"] == "counter").all() else "Wh (est.)"
        columns.append([name, *("-" if pd.isna(wh) else quantities.energy(wh).removesuffix(" Wh") for wh in cost["energy_wh"])])
    columns.append(["trained", *cost["parameters_trained"].map("{:,}".format)])
    longest = min(_LONGEST_NAME, max(width // 3, len(_FIRST)))
    names = [_FIRST, *(shortened(printable(method), longest) for method in of_method)]
    note = (
        f"Accuracy in % with half its 95 % interval ({meaning(summary)}); seconds of a run with the most images, from nothing; "
        "trained: parameters that training changes."
    )
    head, *rows = zip(names, *columns, strict=True)
    return [*fitted(head, rows, width=width), "", *wrapped(note, width)]
