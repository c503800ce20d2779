"""Features and thumbnails of images as vectors of unit length, whose cosines say how similar the images are."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from transfer.quality.smoothed import grey, halved
from transfer.quality.tables import Standardized, Table, blocks
from transfer.system.resources import one_thread

_SAMPLE = 4096  # rows from which principal directions are learned
_PLAIN = 2.0  # grey levels: images that vary less differ in nothing but noise


def feature_vectors(features: Mapping[str, np.ndarray], width: int = 128) -> np.ndarray:
    """Turn the pooled features of one or several cut points into one vector per image.

    Features after a ReLU share a large mean, which brings all cosines close to 1. So each value is standardised over the
    images, and each cut point has the same weight. Wide ones are reduced to their principal directions.

    Args:
        features: cut point and pooling -> float [n, any width].
        width: largest number of values taken from a cut point.

    Returns:
        float32 [n, d], unit length; zeros for an image that equals the mean of all.
    """
    tables = [unit(_reduced(standardized(table), width)) for table in features.values()]
    return unit(np.concatenate(tables, axis=1))


def narrow_feature_vectors(features: Mapping[str, Table], width: int = 128) -> np.ndarray:
    """Turn the features of very many images into vectors, as `feature_vectors`, with at most `width` values over all cut points.

    The features are read twice, in blocks; only the result is in memory as a whole.
    """
    each = [Standardized.of({name: table}) for name, table in features.items()]
    directions = [_directions(table[_sample(len(table))], width) for table in each]

    def vectors(rows: Any) -> np.ndarray:
        return unit(np.concatenate([unit(_turned(table[rows], along)) for table, along in zip(each, directions, strict=True)], axis=1))

    return _narrow(len(each[0]), vectors, width)


def thumbnail_vectors(thumbnails: np.ndarray) -> np.ndarray:
    """Turn thumbnails uint8 [n, s, s, 3] into vectors of their coarse brightness, minus its mean.

    Returns:
        float32 [n, s * s / 4], unit length; zeros for images of (nearly) one brightness.
    """
    coarse = grey(halved(thumbnails))
    coarse = coarse.reshape(len(thumbnails), coarse.shape[1] * coarse.shape[2])
    coarse -= coarse.mean(axis=1, keepdims=True)
    coarse[coarse.std(axis=1) < _PLAIN] = 0
    return unit(coarse)


def narrow_thumbnail_vectors(thumbnails: Table, width: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Turn very many thumbnails into vectors of at most `width` values; also return which images are of one brightness, bool [n]."""
    plain = np.zeros(len(thumbnails), bool)

    def vectors(rows: Any) -> np.ndarray:
        found = thumbnail_vectors(thumbnails[rows])
        plain[rows] = ~found.any(axis=1)
        return found

    return _narrow(len(thumbnails), vectors, width), plain


def standardized(table: np.ndarray) -> np.ndarray:
    """Give each column zero mean and unit variance: float [n, d] -> float32 [n, d]. Columns that do not vary become zeros."""
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


def _narrow(count: int, vectors: Callable[[Any], np.ndarray], width: int) -> np.ndarray:
    """Reduce vectors, computed for some rows at a time, to their principal directions: float32 [count, at most width], unit length."""
    directions = _directions(vectors(_sample(count)), width)
    first = _turned(vectors(slice(0, 1)), directions)
    result = np.empty((count, first.shape[1]), np.float32)
    for part in blocks(count):
        result[part] = unit(_turned(vectors(part), directions))
    return result


def _sample(count: int) -> np.ndarray:
    """Return evenly spaced rows."""
    return np.arange(0, count, max(1, count // _SAMPLE))


def _reduced(table: np.ndarray, width: int) -> np.ndarray:
    """Project onto the principal directions of evenly spaced rows: float32 [n, d] -> float32 [n, at most width]."""
    return _turned(table, _directions(table[:: max(1, len(table) // _SAMPLE)], width))


def _directions(some: np.ndarray, width: int) -> np.ndarray | None:
    """Return the principal directions of some rows, float32 [d, width]; none where they have no more values than that."""
    if some.shape[1] <= width:
        return None
    with one_thread():  # threads that wait for each other make these decompositions slower
        if len(some) <= some.shape[1]:
            found: np.ndarray = np.linalg.svd(some, full_matrices=False)[2][:width].T
            return found
        found = np.linalg.eigh(some.T @ some)[1][:, ::-1][:, :width]
        return found


def _turned(table: np.ndarray, directions: np.ndarray | None) -> np.ndarray:
    return table if directions is None else table @ directions
