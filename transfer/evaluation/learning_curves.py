"""Runs of several methods -> means with intervals, and paired differences on the same test images."""

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import t as student

from transfer.errors import ConfigError, RunError, unknown_name
from transfer.evaluation.paired_differences import Difference, holm, one_seed, several_seeds
from transfer.evaluation.intervals import wilson

OVER_SEEDS, OVER_IMAGES = "t over seeds", "Wilson over images"
"""What an interval of an accuracy covers: other seeds on these test images, or other test images for this one training."""

_RESAMPLES = 20_000
_PAIRED = ["method_a", "method_b", "size", "images_per_class", "seeds", "test_images", "difference", "low", "high", "p"]


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each method and size, methods in the order of `runs`, sizes by their number of images.

    Args:
        runs: one row a run: `method`, `size` (text), `images_per_class`, `seed`, `accuracy`, `test_images`, `seconds`,
            `energy_wh` (NaN: not measured), `energy_source`, `parameters_trained`.

    Returns:
        `method`, `size`, `images_per_class`, `seeds` (how many), `accuracy` (mean, 0 to 1), `accuracy_low`, `accuracy_high`
        (95 %), `interval` (what the interval covers: Student's t over seeds, or Wilson's over the test images where only
        one seed was run), `seconds`, `energy_wh` (means), `energy_source` ("counter", "estimate", ""), `parameters_trained`
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


def paired(runs: pd.DataFrame, predicted: pd.DataFrame, reference: str | None = None, resamples: int = _RESAMPLES) -> pd.DataFrame:
    """Compare methods on the same test images, with the seeds that both have.

    Args:
        runs: as for `summary`, and `run`, the name of the run's column in `predicted`.
        predicted: one row a test image: `label`, and for each run the predicted class.
        reference: compare each other method with this one; None: all pairs.
        resamples: of the bootstrap.

    Returns:
        One row for each pair and size: `method_a`, `method_b`, `size`, `images_per_class`, `seeds`, `test_images`,
        `difference` (accuracy of a less that of b, -1 to 1), `low`, `high` (95 %, for this row alone), `p` (two-sided),
        `p_adjusted` (Holm 1979, over all rows), `test` ("mcnemar" for one seed, "bootstrap" for several).

    Raises:
        ConfigError: the reference is no method.
        RunError: a run without predictions.
    """
    methods = list(runs["method"].unique())
    if reference is not None and reference not in methods:
        raise ConfigError(unknown_name("method to compare with", reference, methods))
    lacking = [run for run in runs["run"] if run not in predicted.columns]
    if lacking:
        raise RunError(f"Every run of a comparison needs its predictions; run again those without. Received {lacking[0]!r}.")
    right = {run: _right(predicted, run) for run in runs["run"]}
    rows = []
    for a, b, size, images in _pairs(runs, methods, reference):
        signs = _signs(runs, right, a, b, size)
        if not len(signs):
            continue
        found: Difference = one_seed(signs[0]) if len(signs) == 1 else several_seeds(signs, resamples)
        rows.append([a, b, size, images, *signs.shape, found.value, found.low, found.high, found.p])
    table = pd.DataFrame(rows, columns=_PAIRED)
    table["p_adjusted"] = holm(table["p"].to_numpy(float))
    table["test"] = np.where(table["seeds"] == 1, "mcnemar", "bootstrap")
    return table


def sizes_in_order(runs: pd.DataFrame) -> dict[str, float]:
    """Return size -> its training images a class (mean over runs), from few to many."""
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
    """One estimate among counters makes the mean an estimate."""
    sources = set(runs.loc[runs["energy_wh"].notna(), "energy_source"].dropna().astype(str))
    return next((source for source in ("estimate", "counter") if source in sources), "")


def _pairs(runs: pd.DataFrame, methods: list[str], reference: str | None) -> Iterator[tuple[str, str, str, float]]:
    if reference is None:
        couples = list(itertools.combinations(methods, 2))
    else:
        couples = [(method, reference) for method in methods if method != reference]
    for (a, b), (size, images) in itertools.product(couples, sizes_in_order(runs).items()):
        yield a, b, size, images


def _right(predicted: pd.DataFrame, run: str) -> np.ndarray:
    # As text: a table read back may hold numbers in one column and text in the other.
    return (predicted[run].astype(str) == predicted["label"].astype(str)).to_numpy()


def _signs(runs: pd.DataFrame, right: dict[str, np.ndarray], a: str, b: str, size: str) -> np.ndarray:
    """Return int8 [seeds, images]: 1 where only a is right, -1 where only b is."""
    at_size = runs[runs["size"] == size]
    of = [dict(zip(some["seed"], some["run"], strict=True)) for some in (at_size[at_size["method"] == name] for name in (a, b))]
    seeds = [seed for seed in of[0] if seed in of[1]]
    return np.array([right[of[0][seed]].astype(np.int8) - right[of[1][seed]] for seed in seeds], np.int8)
