"""Rows of a table of vectors that are much alike, and the groups that hang together by them.

All cosines are computed, in blocks of matrix products, so that memory stays bounded: 100,000 vectors have five thousand
million pairs, and only the wanted ones are kept.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from transfer.system.resources import spread


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, the most alike first.

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
        """Return the pairs that a mask or positions choose."""
        return Pairs(self.first[which], self.second[which], self.similarity[which])


def pairs(vectors: np.ndarray, threshold: float, neighbours: int = 16, block: int = 1024) -> Pairs:
    """Find the pairs of vectors that are at least so much alike.

    A row that is like thousands of others (all-white images) keeps only its `neighbours` most similar ones and the first
    of them all, by which rows that are all alike stay one group.

    Args:
        vectors: float32 [n, d], unit length, so that products are cosines; rows of zeros are like nothing.
        threshold: smallest cosine, -1 to 1.
        neighbours: pairs that each row brings in, at most, beside the one with the first.
        block: rows multiplied at a time; memory is about 16 * block ** 2 bytes for each core, and the result.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    of_blocks = spread(lambda start: _of_block(vectors, start, threshold, neighbours, block), range(0, len(vectors), block))
    found = [_NOTHING, *of_blocks]
    return _sorted(*(np.concatenate(column) for column in zip(*found, strict=True)))


def union(*tables: Pairs) -> Pairs:
    """Put tables of pairs together; a pair that stands in several keeps its largest similarity."""
    columns = [[getattr(table, name) for table in tables] for name in ("first", "second", "similarity")]
    return _sorted(*(np.concatenate(column) for column in columns))


def groups(n: int, found: Pairs) -> np.ndarray:
    """Number the groups of rows that hang together by pairs, directly or through others.

    Returns:
        int64 [n]: from 0 on, in the order of each group's first row; a row without a pair is a group of its own.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(found), np.int8), (found.first, found.second)), shape=(n, n))
    _, numbers = connected_components(graph, directed=False)
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


class _Kept(NamedTuple):
    """What some rows keep: row and other row, int [m], and their cosine, float32 [m]."""

    row: np.ndarray
    other: np.ndarray
    cosine: np.ndarray


_NOTHING = _Kept(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def _of_block(vectors: np.ndarray, start: int, threshold: float, neighbours: int, block: int) -> _Kept:
    rows = vectors[start : start + block]
    best, least = _NOTHING, np.full(len(rows), threshold, np.float32)
    for across in range(0, len(vectors), block):
        cosine = rows @ vectors[across : across + block].T
        if start == across:
            np.fill_diagonal(cosine, -np.inf)
        row, other = _above(cosine, least, neighbours)
        if len(row):
            new = _Kept(row, other + across, cosine[row, other])
            best, least = _limited(_Kept(*map(np.concatenate, zip(best, new, strict=True))), least, neighbours)
    return best._replace(row=best.row + start)


def _above(cosine: np.ndarray, least: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of at least each row's least cosine; of rows with very many, only the most similar and the first."""
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
    """Keep each row's most similar ones and the first of all; what comes later must be above those of a row that is full."""
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
    order = np.lexsort((-similarity, high, low))
    low, high, similarity = low[order], high[order], similarity[order]
    new = np.ones(len(low), bool)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    low, high, similarity = low[new], high[new], similarity[new].astype(np.float32)
    order = np.lexsort((high, low, -similarity))
    return Pairs(low[order], high[order], similarity[order])
