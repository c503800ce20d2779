"""Vectors by whose cosines images that look alike are found: from stored features, and from the pixels themselves."""

from collections.abc import Mapping

import numpy as np

from transfer.quality.alignment import grey, halved
from transfer.system.resources import one_thread

_SAMPLE = 4096  # rows from which directions are learned
_PLAIN = 2.0  # grey levels: images that vary less have nothing to be compared but noise


def feature_vectors(features: Mapping[str, np.ndarray], width: int = 128) -> np.ndarray:
    """Turn the pooled features of one or several cut points into one vector an image.

    Features after a ReLU share a large mean, by which all cosines are nearly 1. So each value is standardised over the
    images, and each cut point has the same weight. Wide ones are reduced to their principal directions.

    Args:
        features: cut point -> float [n, any width].
        width: largest number of values that a cut point brings in.

    Returns:
        float32 [n, d], unit length. An image just like the mean of all has zeros.
    """
    tables = [unit(_reduced(standardized(table), width)) for table in features.values()]
    return unit(np.concatenate(tables, axis=1))


def thumbnail_vectors(thumbnails: np.ndarray) -> np.ndarray:
    """Turn thumbnails uint8 [n, s, s, 3] into vectors of their coarse brightness, less its mean.

    Returns:
        float32 [n, s * s / 4], unit length; zeros for images of (nearly) one brightness.
    """
    coarse = grey(halved(thumbnails))
    coarse = coarse.reshape(len(thumbnails), coarse.shape[1] * coarse.shape[2])
    coarse -= coarse.mean(axis=1, keepdims=True)
    coarse[coarse.std(axis=1) < _PLAIN] = 0
    return unit(coarse)


def standardized(table: np.ndarray) -> np.ndarray:
    """Give each column zero mean and unit variance: float [n, d] -> float32 [n, d]. Columns that do not vary are zeros."""
    table = np.array(table, np.float32)  # a copy, changed in place below: such tables are large
    if not len(table):
        return table
    deviation = table.std(axis=0)
    varies = deviation > 1e-6 * np.maximum(table.max(axis=0), -table.min(axis=0)).clip(1e-30)
    table -= table.mean(axis=0)
    table /= np.where(varies, deviation, np.inf).astype(np.float32)
    return table


def unit(table: np.ndarray) -> np.ndarray:
    """Give each row the length 1: float32 [n, d]. Rows of (nearly) zeros become zeros."""
    length = np.linalg.norm(table, axis=1, keepdims=True)
    result: np.ndarray = table / np.where(length > 1e-4, length, np.inf)
    return result.astype(np.float32, copy=False)


def _reduced(table: np.ndarray, width: int) -> np.ndarray:
    """Turn columns into fewer, by the principal directions of evenly spaced rows."""
    if table.shape[1] <= width:
        return table
    some = table[:: max(1, len(table) // _SAMPLE)]
    with one_thread():  # threads that wait for each other make these decompositions slower
        if len(some) <= some.shape[1]:
            directions = np.linalg.svd(some, full_matrices=False)[2][:width].T
        else:
            directions = np.linalg.eigh(some.T @ some)[1][:, ::-1][:, :width]
    return table @ directions
