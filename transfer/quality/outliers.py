"""Outliers: images far from all images of their own class.

The distance of an image is its mean distance to its nearest neighbours of the same class (Angiulli and Pizzuti 2002, "Fast
outlier detection in high dimensional spaces"). It is divided by the median of the class, so that wide classes may be wide.
"""

import numpy as np
import pandas as pd

from transfer.quality.tables import Table
from transfer.system.resources import spread

_FEWEST = 5  # a class of fewer images has no usual distance


def find(
    features: Table, labels: np.ndarray, limit: float, neighbours: int = 10, block: int = 1024, sample: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """Find the images that are unusually far from their class.

    Args:
        features: float [n, d], standardised.
        labels: class numbers, int [n].
        limit: smallest ratio of an image's distance to the median distance of its class.
        neighbours: nearest images of the class whose distances are averaged; at most half of the class.
        block: rows compared at a time; memory is about 8 * block * (images compared with) bytes; with a sample, per core.
        sample: images of a class, drawn at random, that each one is compared with, at most; none: all.
        seed: of these.

    Returns:
        Table with the columns `row` and `ratio`, the farthest first. Classes of fewer than five images are not judged.
    """
    ratios = np.zeros(len(labels))
    order = np.argsort(labels, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if len(rows) < _FEWEST:
            continue
        chosen = np.arange(len(rows))
        if sample is not None and len(rows) > sample:
            chosen = np.sort(np.random.default_rng(seed).choice(len(rows), sample, replace=False))
        # At most half of the class: near duplicates of an outlier must not hide it in a small class.
        distance = _distances(features, rows, chosen, min(neighbours, len(chosen) // 2), block)
        usual = float(np.median(distance))
        ratios[rows] = distance / usual if usual > 0 else np.where(distance > 0, np.inf, 1)
    far = np.flatnonzero(ratios >= limit)
    far = far[np.argsort(-ratios[far], kind="stable")]
    return pd.DataFrame({"row": far, "ratio": ratios[far]})


def _distances(features: Table, rows: np.ndarray, chosen: np.ndarray, neighbours: int, block: int) -> np.ndarray:
    """Mean Euclidean distance of each row to its nearest others among the chosen ones; two to four times as fast as scikit-learn's search.

    Args:
        features: of all images.
        rows: of one class, int [n].
        chosen: positions in `rows` of those compared with, increasing.

    Returns:
        float64 [n].
    """
    vectors = np.asarray(features[rows[chosen]], np.float32)
    mean = vectors.mean(axis=0)  # a large common part would cost precision below
    vectors = vectors - mean
    squares = (vectors**2).sum(axis=1)
    everyone = len(chosen) == len(rows)
    found = np.empty(len(rows))

    def compare(start: int) -> None:
        part = vectors[start : start + block] if everyone else np.asarray(features[rows[start : start + block]], np.float32) - mean
        own_squares = squares[start : start + block] if everyone else (part**2).sum(axis=1)
        squared = own_squares[:, None] + squares[None] - 2 * (part @ vectors.T)
        own = np.flatnonzero((chosen >= start) & (chosen < start + block))
        squared[chosen[own] - start, own] = np.inf
        nearest = np.partition(squared, neighbours - 1, axis=1)[:, :neighbours]
        found[start : start + block] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)

    starts = range(0, len(rows), block)
    if everyone:  # one block after the other, each on all cores
        for start in starts:
            compare(start)
    else:
        spread(compare, starts)
    return found
