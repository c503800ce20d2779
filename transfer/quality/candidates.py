"""Candidates for near duplicates: pairs of images whose features or thumbnails are similar, as vectors, by their cosine.

`pairs` computes all cosines, in blocks of matrix products, and keeps only the wanted pairs, so memory stays bounded: 20,000
vectors have two hundred million pairs. (scikit-learn's brute-force search takes twice as long.) `pairs_of_many` does not compute
them all (`inverted_lists`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from transfer.quality import inverted_lists
from transfer.system.resources import spread


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


def pairs_of_many(vectors: np.ndarray, threshold: float, neighbours: int, probes: int, seed: int) -> Pairs:
    """Find most of the pairs that `pairs` finds, in much less time where there are very many vectors.

    Args:
        vectors, threshold, neighbours: see `pairs`. What is all alike stays one group here, too.
        probes, seed: see `inverted_lists.nearest`.
    """
    found = inverted_lists.nearest(vectors, threshold, neighbours, probes, seed)
    row, place = np.nonzero(found.other >= 0)
    first, second = np.r_[row, found.links[:, 0]], np.r_[found.other[row, place], found.links[:, 1]]
    return _sorted(first, second, np.r_[found.cosine[row, place], found.alike])


def union(*tables: Pairs) -> Pairs:
    """Join tables of pairs; a pair that occurs in several keeps its largest similarity."""
    return _sorted(*_concatenated([_Kept(table.first, table.second, table.similarity) for table in tables]))


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
    some = np.flatnonzero(cosine.max(axis=1) >= least)  # few, once most blocks have been seen
    cosine = cosine[some]
    above = cosine >= least[some, None]
    many = np.flatnonzero(np.count_nonzero(above, axis=1) > neighbours + 1)
    if len(many):
        first = above[many].argmax(axis=1)
        nearest = np.argpartition(-cosine[many], neighbours - 1, axis=1)[:, :neighbours]
        above[many] = False
        above[many[:, None], nearest] = True
        above[many, first] = True
    row, other = np.divmod(np.flatnonzero(above), above.shape[1])
    return some[row], other


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
    pair = low * (int(high.max(initial=0)) + 1) + high
    order = np.lexsort((-similarity, pair))
    kept = order[np.diff(pair[order], prepend=-1) > 0]
    kept = kept[np.lexsort((pair[kept], -similarity[kept]))]
    return Pairs(low[kept], high[kept], similarity[kept].astype(np.float32))
