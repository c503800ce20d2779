"""Candidates for near duplicates: pairs of images whose features or thumbnails are similar, as vectors, by their cosine.

All cosines are computed, in blocks of matrix products, and only the wanted pairs are kept, so memory stays bounded: 100,000
vectors have five thousand million pairs. (scikit-learn's brute-force search takes twice as long.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from transfer.quality.alignment import grey, halved
from transfer.system.resources import one_thread, spread

_SAMPLE = 4096  # rows from which principal directions are learned
_PLAIN = 2.0  # grey levels: images that vary less differ in nothing but noise


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, the most similar first.

    Attributes:
        first: int64 [m], the smaller row.
        second: int64 [m], the larger row.
        similarity: float32 [m], 1 for the same.
    """

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def chosen(self, which: np.ndarray) -> "Pairs":
        """Return the pairs chosen by a mask or by positions."""
        return Pairs(self.first[which], self.second[which], self.similarity[which])


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


def pairs(vectors: np.ndarray, threshold: float, neighbours: int = 16, block: int = 1024) -> Pairs:
    """Find the pairs of vectors whose cosine reaches a threshold.

    A row similar to thousands of others (all-white images) keeps only its `neighbours` most similar ones and the first of
    them all; by these first ones, rows that are all alike stay one group.

    Args:
        vectors: float32 [n, d], unit length; rows of zeros are similar to nothing.
        threshold: smallest cosine, -1 to 1.
        neighbours: pairs kept for each row, at most, besides the one with the first.
        block: rows multiplied at a time; memory is about 16 * block ** 2 bytes per core, plus the result.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    of_blocks = spread(lambda start: _of_block(vectors, start, threshold, neighbours, block), range(0, len(vectors), block))
    return _sorted(*_concatenated([_NOTHING, *of_blocks]))


def union(*tables: Pairs) -> Pairs:
    """Join tables of pairs; a pair that occurs in several keeps its largest similarity."""
    return _sorted(*_concatenated([_Kept(table.first, table.second, table.similarity) for table in tables]))


def _reduced(table: np.ndarray, width: int) -> np.ndarray:
    """Project onto the principal directions of evenly spaced rows: float32 [n, d] -> float32 [n, at most width]."""
    if table.shape[1] <= width:
        return table
    some = table[:: max(1, len(table) // _SAMPLE)]
    with one_thread():  # threads that wait for each other make these decompositions slower
        if len(some) <= some.shape[1]:
            directions = np.linalg.svd(some, full_matrices=False)[2][:width].T
        else:
            directions = np.linalg.eigh(some.T @ some)[1][:, ::-1][:, :width]
    return table @ directions


class _Kept(NamedTuple):
    """The pairs kept for some rows: row and other row, int [m], and their cosine, float32 [m]."""

    row: np.ndarray
    other: np.ndarray
    cosine: np.ndarray


_NOTHING = _Kept(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def _concatenated(parts: list[_Kept]) -> _Kept:
    return _Kept(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _of_block(vectors: np.ndarray, start: int, threshold: float, neighbours: int, block: int) -> _Kept:
    rows = vectors[start : start + block]
    best, least = _NOTHING, np.full(len(rows), threshold, np.float32)
    for across in range(0, len(vectors), block):
        cosine = rows @ vectors[across : across + block].T
        if start == across:
            np.fill_diagonal(cosine, -np.inf)
        row, other = _above(cosine, least, neighbours)
        if len(row):
            best, least = _limited(_concatenated([best, _Kept(row, other + across, cosine[row, other])]), least, neighbours)
    return best._replace(row=best.row + start)


def _above(cosine: np.ndarray, least: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions where each row's least cosine is reached; in rows with very many, only the most similar and the first."""
    above = cosine >= least[:, None]
    many = np.flatnonzero(np.count_nonzero(above, axis=1) > neighbours + 1)
    if len(many):
        first = above[many].argmax(axis=1)
        nearest = np.argpartition(-cosine[many], neighbours - 1, axis=1)[:, :neighbours]
        above[many] = False
        above[many[:, None], nearest] = True
        above[many, first] = True
    row, other = np.nonzero(above)
    return row, other


def _limited(kept: _Kept, least: np.ndarray, neighbours: int) -> tuple[_Kept, np.ndarray]:
    """Keep each row's most similar pairs and the first; once a row is full, later pairs must exceed its last one."""
    order = np.lexsort((kept.other, -kept.cosine, kept.row))
    row, other, cosine = (column[order] for column in kept)
    starts = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
    sizes = np.diff(np.r_[starts, len(row)])
    rank = np.arange(len(row)) - np.repeat(starts, sizes)
    keep = (rank < neighbours) | (other == np.repeat(np.minimum.reduceat(other, starts), sizes))
    full = rank == neighbours - 1
    least = least.copy()
    least[row[full]] = np.nextafter(cosine[full], np.float32(np.inf))
    return _Kept(row[keep], other[keep], cosine[keep]), least


def _sorted(first: np.ndarray, second: np.ndarray, similarity: np.ndarray) -> Pairs:
    """Each pair once, its smaller row first; the most similar pairs first."""
    low, high = np.minimum(first, second).astype(np.int64), np.maximum(first, second).astype(np.int64)
    order = np.lexsort((high, low, -similarity))
    kept = order[~pd.DataFrame({"low": low[order], "high": high[order]}).duplicated().to_numpy()]
    return Pairs(low[kept], high[kept], similarity[kept].astype(np.float32))
