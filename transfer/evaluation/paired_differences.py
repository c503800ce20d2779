"""Paired differences: the accuracy of one method minus that of another on the same test images, with interval and p.

Each difference starts from a matrix of signs, one row per seed, one column per test image: 1 where only the first method is
right, -1 where only the second is, 0 where both agree. Its mean is the difference of the accuracies.

Seeds and test images are both samples, so both must vary. No bootstrap is exact for such crossed data (McCullagh 2000,
Bernoulli 6:285), and resampling both (the pigeonhole bootstrap, Owen 2007, Annals of Applied Statistics 1:386) errs twice
here: it counts the interaction of seed and image up to three times, and it misses the tails of a mean of 3 to 10 seeds.
Therefore

- images are resampled, after their effects are shrunk to the variance that the analysis of variance gives them (as in
  Carpenter, Goldstein and Rasbash 2003, Applied Statistics 52:431), which leaves the interaction of seed and image to
- the seeds, whose mean deviates like Student's t with seeds - 1 degrees of freedom times its standard error.

The sum of both, drawn many times, is the distribution of the difference (a generalised pivot, Weerahandi 1993, for variances
that do not pool). In simulations with 2 to 10 seeds its 95 % interval covers the true difference in 94 to 100 % of the
repetitions; that of the pigeonhole bootstrap in only 68 % with two seeds and 76 % with three.

Two images are added, one on which only the first method is right and one on which only the second is (Bonett and Price
2012, Journal of Educational and Behavioral Statistics 37:479): without them, two methods that agree on all of few images
would have a difference of exactly zero, with certainty.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

from transfer.errors import ConfigError, RunError, unknown_name
from transfer.evaluation.learning_curves import sizes_in_order

_SEED = 20_070_401  # any; fixed, so that the same runs give the same table
_RESAMPLES = 20_000
_CHUNK = 10_000
_ADDED = 2
_COLUMNS = ["method_a", "method_b", "size", "images_per_class", "seeds", "test_images", "difference", "low", "high", "p"]


@dataclass(frozen=True)
class Difference:
    """A difference of two accuracies, -1 to 1, its 95 % interval, and the two-sided p of no difference."""

    value: float
    low: float
    high: float
    p: float


def paired(runs: pd.DataFrame, predicted: pd.DataFrame, reference: str | None = None, resamples: int = _RESAMPLES) -> pd.DataFrame:
    """Compare methods on the same test images, with the seeds that both have.

    Args:
        runs: as for `learning_curves.summary`, and `run`, the name of the run's column in `predicted`.
        predicted: one row per test image: `label`, and for each run the predicted class.
        reference: compare each other method with this one; None: all pairs.
        resamples: of the bootstrap.

    Returns:
        One row for each pair and size: `method_a`, `method_b`, `size`, `images_per_class`, `seeds`, `test_images`,
        `difference` (accuracy of a minus that of b, -1 to 1), `low`, `high` (95 %, for this row alone), `p` (two-sided),
        `p_adjusted` (Holm 1979, over all rows), `test` ("mcnemar" for one seed, "bootstrap" for several).

    Raises:
        ConfigError: the reference is not one of the methods.
        RunError: a run has no predictions.
    """
    methods = list(runs["method"].unique())
    if reference is not None and reference not in methods:
        raise ConfigError(unknown_name("method to compare with", reference, methods))
    lacking = [run for run in runs["run"] if run not in predicted.columns]
    if lacking:
        raise RunError(f"Every run of a comparison needs its predictions; repeat the runs without them. Received {lacking[0]!r}.")
    right = {run: _right(predicted, run) for run in runs["run"]}
    rows = []
    for a, b, size, images in _pairs(runs, methods, reference):
        signs = _signs(runs, right, a, b, size)
        if not len(signs):
            continue
        found = one_seed(signs[0]) if len(signs) == 1 else several_seeds(signs, resamples)
        rows.append([a, b, size, images, *signs.shape, found.value, found.low, found.high, found.p])
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table["p_adjusted"] = holm(table["p"].to_numpy(float))
    table["test"] = np.where(table["seeds"] == 1, "mcnemar", "bootstrap")
    return table


def one_seed(signs: np.ndarray) -> Difference:
    """Return the difference of two single trainings.

    Args:
        signs: int [images], each -1, 0 or 1.

    Returns:
        p by McNemar's exact test (McNemar 1947), the interval by Bonett and Price (2012). Both cover the choice of test
        images, not that of the seed.
    """
    first, second = int((signs > 0).sum()), int((signs < 0).sum())
    n = len(signs) + _ADDED
    shifted = (first - second) / n
    half = norm.ppf(0.975) * np.sqrt(((first + second + _ADDED) / n - shifted**2) / n)
    p = float(binomtest(first, first + second).pvalue) if first + second else 1.0
    return Difference((first - second) / len(signs), max(shifted - half, -1.0), min(shifted + half, 1.0), p)


def several_seeds(signs: np.ndarray, resamples: int) -> Difference:
    """Return the difference of two methods over seeds and images, by the bootstrap described at the top of this file.

    Args:
        signs: int [seeds, images], each -1, 0 or 1; at least two seeds.
        resamples: at least 1; p is never below 2 / (resamples + 1).
    """
    first = signs[signs != 0][:1]
    if signs.sum() < 0 or (signs.sum() == 0 and (first < 0).any()):
        # Drawn from one side only, so that swapping the methods gives exactly the opposite answer.
        other = several_seeds(-signs, resamples)
        return Difference(-other.value, -other.high, -other.low, other.p)
    draws = _draws(signs, resamples)
    low, high = np.quantile(draws, [0.025, 0.975])
    beyond = min((draws <= 0).sum(), (draws >= 0).sum())
    p = min(2 * (beyond + 1) / (resamples + 1), 1.0)
    value = float(signs.mean())
    # Clipped, and always including the difference itself: the two added images shift the centre a little.
    return Difference(value, min(max(low, -1.0), value), max(min(high, 1.0), value), float(p))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p adjusted for their number: of all tables, at most 5 % have a false rejection at 0.05 (Holm 1979).

    Args:
        p: float [n], 0 to 1.

    Returns:
        float [n], in the order given, each at least p and at most 1.
    """
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)) if len(p) else p
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def _draws(signs: np.ndarray, resamples: int) -> np.ndarray:
    """Draw possible values of the true difference: float [resamples]."""
    random = np.random.default_rng(_SEED)
    seeds = len(signs)
    added = np.tile(np.array([1, -1], np.int64), (seeds, 1))
    signs = np.concatenate([signs.astype(np.int64), added], axis=1)
    n = signs.shape[1]
    mean = signs.mean()
    of_seeds, of_images = signs.mean(1) - mean, signs.mean(0) - mean
    rest = signs - mean - of_seeds[:, None] - of_images
    # Mean squares over seeds x images: the parts of seeds, images and the rest in the variance of the mean.
    by_seeds = (of_seeds**2).sum() / (seeds - 1) / seeds
    by_images = (of_images**2).sum() / (n - 1) / n
    by_rest = (rest**2).sum() / ((seeds - 1) * (n - 1)) / (seeds * n)
    shrink = np.sqrt(max(by_images - by_rest, 0.0) / by_images)
    drawn = mean + random.standard_t(seeds - 1, resamples) * np.sqrt(by_seeds)
    return drawn + shrink * _resampled(of_images, resamples, random)


def _resampled(values: np.ndarray, resamples: int, random: np.random.Generator) -> np.ndarray:
    """Return the means of resamples of values [n], centred on 0. An image's mean over seeds has few values, so these are counted."""
    distinct, counts = np.unique(np.round(values, 12), return_counts=True)
    means = []
    for start in range(0, resamples, _CHUNK):
        drawn = random.multinomial(len(values), counts / len(values), min(_CHUNK, resamples - start))
        means.append(drawn @ distinct / len(values))
    # The variance of n resampled images is too small by (n - 1) / n.
    return np.concatenate(means) * np.sqrt(len(values) / (len(values) - 1))


def _pairs(runs: pd.DataFrame, methods: list[str], reference: str | None) -> Iterator[tuple[str, str, str, float]]:
    if reference is None:
        couples = list(itertools.combinations(methods, 2))
    else:
        couples = [(method, reference) for method in methods if method != reference]
    for (a, b), (size, images) in itertools.product(couples, sizes_in_order(runs).items()):
        yield a, b, size, images


def _right(predicted: pd.DataFrame, run: str) -> np.ndarray:
    # As text: a table read from a file may hold numbers in one column and text in the other.
    return (predicted[run].astype(str) == predicted["label"].astype(str)).to_numpy()


def _signs(runs: pd.DataFrame, right: dict[str, np.ndarray], a: str, b: str, size: str) -> np.ndarray:
    """Return int8 [seeds, images]: 1 where only a is right, -1 where only b is."""
    at_size = runs[runs["size"] == size]
    of = [dict(zip(some["seed"], some["run"], strict=True)) for some in (at_size[at_size["method"] == name] for name in (a, b))]
    seeds = [seed for seed in of[0] if seed in of[1]]
    return np.array([right[of[0][seed]].astype(np.int8) - right[of[1][seed]] for seed in seeds], np.int8)
