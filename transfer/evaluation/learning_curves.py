"""Learning curves: the accuracy and cost of each method by the number of training images."""

import itertools

import numpy as np
import pandas as pd
from scipy.stats import t as student

from transfer.evaluation.metrics import wilson

OVER_SEEDS, OVER_IMAGES = "t over seeds", "Wilson over images"
"""What the interval of an accuracy covers: other seeds on these test images, or other test images for this one training."""


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each method and size: methods in the order of `runs`, sizes by their number of images.

    Args:
        runs: one row per run: `method`, `size` (text), `images_per_class`, `seed`, `accuracy`, `test_images`, `seconds`,
            `energy_wh` (NaN: not measured), `energy_source`, `parameters_trained`.

    Returns:
        `method`, `size`, `images_per_class`, `seeds` (their number), `accuracy` (mean, 0 to 1), `accuracy_low`,
        `accuracy_high` (95 %), `interval` (what it covers: Student's t over seeds, or Wilson's over the test images if there
        is only one seed), `seconds`, `energy_wh` (means), `energy_source` ("counter", "estimate", ""), `parameters_trained`
        (median: `truncate_at: auto` may choose differently in each run).
    """
    sizes = sizes_in_order(runs)
    rows = []
    for method, size in itertools.product(runs["method"].unique(), sizes):
        some = runs[(runs["method"] == method) & (runs["size"] == size)]
        if some.empty:
            continue
        low, high, kind = _interval(some)
        rows.append(
            {
                "method": method, "size": size, "images_per_class": sizes[size], "seeds": some["seed"].nunique(),
                "accuracy": some["accuracy"].mean(), "accuracy_low": low, "accuracy_high": high, "interval": kind,
                "seconds": some["seconds"].mean(), "energy_wh": some["energy_wh"].astype(float).mean(),
                "energy_source": _source(some), "parameters_trained": round(some["parameters_trained"].median()),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def sizes_in_order(runs: pd.DataFrame) -> dict[str, float]:
    """Return size -> its training images per class (mean over runs), from few to many."""
    means = runs.groupby("size", sort=False)["images_per_class"].mean().sort_values(kind="stable")
    return {str(size): float(images) for size, images in means.items()}


def _interval(runs: pd.DataFrame) -> tuple[float, float, str]:
    values = runs["accuracy"].to_numpy(float)
    if len(values) == 1:
        images = int(runs["test_images"].iloc[0])
        return *wilson(round(values[0] * images), images), OVER_IMAGES
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return max(values.mean() - half, 0.0), min(values.mean() + half, 1.0), OVER_SEEDS


def _source(runs: pd.DataFrame) -> str:
    """Return the source of a mean of energies: a single estimate makes it an estimate."""
    sources = set(runs.loc[runs["energy_wh"].notna(), "energy_source"].dropna().astype(str))
    return next((source for source in ("estimate", "counter") if source in sources), "")
