"""Nearest neighbours of each of very many vectors, approximately: inverted lists (Sivic and Zisserman 2003, "Video Google").

The vectors are divided into lists of about the same length around centres, and each vector is compared with those in the lists of its
nearest centres. The centres are found by such lists of their own, so the work grows as n log n. All comparisons are products of
matrices, one for each list. Nothing depends on the number of threads, so the result is the same for a seed and an order of the rows.
A graph of neighbours (HNSW, by usearch) took five times as long on one core for 21,000 thumbnails and found no more planted copies; one
that is built by several threads depends on their timing.

A list is never longer than a few times the usual length: vectors that are all alike (30,000 white images) are divided as they come.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from transfer.quality.tables import blocks
from transfer.system.resources import spread

_LENGTH = 256  # vectors of a list, about
_LONGEST = 4  # times that
_FEW = 512  # so many centres are compared with every vector; more are in lists of their own
_UPPER_LENGTH, _UPPER_PROBES = 32, 8
_ROUNDS = 2  # of k-means, after the first centres, which are vectors drawn at random
_BLOCK = 4096  # vectors compared with a list at a time, at most
_ALIKE = 0.98  # a vector as similar as that to the first of a list is paired with it: what is all alike stays connected


@dataclass(frozen=True)
class Nearest:
    """The nearest others of each of n vectors.

    Attributes:
        other: their rows, int32 [n, count]; -1 where there are fewer.
        cosine: float32 [n, count], in no order.
        links: further pairs of a row and the first of a list that it is alike, int32 [m, 2].
        alike: their cosine, float32 [m].
    """

    other: np.ndarray
    cosine: np.ndarray
    links: np.ndarray
    alike: np.ndarray


@dataclass(frozen=True)
class _Lists:
    """Vectors in lists.

    Attributes:
        vectors: float32 [n, d], unit length or zeros.
        rows: of each list in turn, int64 [n], in their order.
        starts: position of the first row of each list, int64 [k + 1].
        centres: float32 [k, d].
        upper: the centres in lists; none: they are few.
    """

    vectors: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    centres: np.ndarray
    upper: "_Lists | None"


def nearest(vectors: np.ndarray, threshold: float, count: int, probes: int, seed: int) -> Nearest:
    """Find the others that are most similar to each vector, approximately.

    Args:
        vectors: float32 [n, d], unit length; rows of zeros are similar to nothing.
        threshold: smallest cosine.
        count: others of each vector, at most.
        probes: lists that each vector is compared with.
        seed: of the first centres.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    lists = _divided(vectors, _LENGTH, seed)
    place = np.empty(len(vectors), np.int64)  # of each vector, in `lists.rows`
    place[lists.rows] = np.arange(len(vectors))
    return _searched(lists, vectors, threshold, count, probes, place)


def _divided(vectors: np.ndarray, length: int, seed: int) -> _Lists:
    """Divide vectors into lists of about a length."""
    count = min(max(1, len(vectors) // length), len(vectors))
    centres = vectors[np.sort(np.random.default_rng(seed).choice(len(vectors), count, replace=False))] if count else vectors
    for _ in range(_ROUNDS):
        centres = _means(vectors, *_members(vectors, centres, seed), centres)
    rows, starts = _cut(vectors, *_members(vectors, centres, seed), length)
    centres = _means(vectors, rows, starts)
    return _Lists(vectors, rows, starts, centres, _upper(centres, seed))


def _upper(centres: np.ndarray, seed: int) -> _Lists | None:
    return _divided(centres, _UPPER_LENGTH, seed) if len(centres) > _FEW else None


def _members(vectors: np.ndarray, centres: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of each centre in turn, and where those of each start."""
    closest = _closest(vectors, _upper(centres, seed), centres, 1)
    return _sorted_by(closest.reshape(len(vectors)), len(centres))


def _sorted_by(numbers: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows sorted by the number of their list, int64 [n], and where each of `count` lists starts, [count + 1]."""
    return np.argsort(numbers, kind="stable"), np.r_[0, np.cumsum(np.bincount(numbers, minlength=count))]


def _means(vectors: np.ndarray, rows: np.ndarray, starts: np.ndarray, empty: np.ndarray | None = None) -> np.ndarray:
    """Return the direction of the mean of each list, float32 [k, d]; for an empty list that given."""
    result = np.zeros((len(starts) - 1, vectors.shape[1]), np.float32) if empty is None else empty.copy()
    for number in range(len(result)):
        members = rows[starts[number] : starts[number + 1]]
        if len(members):
            mean = vectors[members].mean(axis=0)
            result[number] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return result


def _cut(vectors: np.ndarray, rows: np.ndarray, starts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide the lists that are too long around vectors of their own, and as they come where that does not help; drop empty ones."""
    lists, longest = [], _LONGEST * length
    for start, end in pairwise(starts):
        members = rows[start:end]
        if len(members) <= longest:
            lists.append(members)
            continue
        own = vectors[members[:: len(members) // min(len(members) // length, _FEW)]]
        inside, ends = _members(vectors[members], own, 0)
        for low, high in pairwise(ends):
            lists += [members[inside[at : min(at + longest, high)]] for at in range(low, high, longest)]
    lists = [members for members in lists if len(members)]
    return np.concatenate([rows[:0], *lists]), np.r_[0, np.cumsum([len(members) for members in lists], dtype=np.int64)]


def _closest(vectors: np.ndarray, upper: _Lists | None, centres: np.ndarray, count: int) -> np.ndarray:
    """Return the numbers of the closest centres of each vector, the closest first: int32 [n, at most count]; -1: none."""
    count = min(count, len(centres))
    result = np.empty((len(vectors), count), np.int32)

    def compare(start: int) -> None:
        cosine = vectors[start : start + _BLOCK] @ centres.T
        if count == 1:
            result[start : start + _BLOCK, 0] = cosine.argmax(axis=1)
        else:
            result[start : start + _BLOCK] = np.argsort(-cosine, axis=1, kind="stable")[:, :count]

    if upper is None:
        spread(compare, range(0, len(vectors), _BLOCK))
        return result
    for part in blocks(len(vectors), 64 * _BLOCK):
        found = _searched(upper, vectors[part], -2.0, count, max(_UPPER_PROBES, count // 2), None)
        order = np.argsort(-found.cosine, axis=1, kind="stable")
        result[part] = np.take_along_axis(found.other, order, axis=1)
    return result


def _searched(lists: _Lists, wanted: np.ndarray, threshold: float, count: int, probes: int, place: np.ndarray | None) -> Nearest:
    """Find the vectors in the lists that are most similar to each wanted one.

    Args:
        lists: of the vectors.
        wanted: float32 [n, d].
        threshold, count, probes: see `nearest`.
        place: where the wanted vectors themselves are the ones in the lists, the place of each in `lists.rows`: none is its own
            neighbour.
    """
    other = np.full((len(wanted), count), -1, np.int32)
    cosine = np.full((len(wanted), count), threshold, np.float32)
    links, alike = [np.empty((0, 2), np.int32)], [np.empty(0, np.float32)]
    chosen = _closest(wanted, lists.upper, lists.centres, probes)
    for rank in range(chosen.shape[1]):  # each row occurs once in each rank, so threads never write to the same one
        queries, ends = _sorted_by(chosen[:, rank] + 1, len(lists.centres) + 1)
        pieces = [
            (number, slice(at, min(at + _BLOCK, end)))
            for number, (start, end) in enumerate(pairwise(ends[1:].tolist()))
            for at in range(start, end, _BLOCK)
        ]
        linked = place is not None and rank < 2

        def compare(piece: tuple[int, slice], queries: np.ndarray = queries, linked: bool = linked) -> tuple[np.ndarray, np.ndarray]:
            asked, start = queries[piece[1]], lists.starts[piece[0]]
            members = lists.rows[start : lists.starts[piece[0] + 1]]
            product = wanted[asked] @ lists.vectors[members].T
            if place is not None:
                inside = place[asked] - start
                own = np.flatnonzero((inside >= 0) & (inside < len(members)))
                product[own, inside[own]] = -np.inf
            like = np.flatnonzero(product[:, 0] >= _ALIKE) if linked else np.empty(0, np.int64)
            found = np.column_stack([asked[like], np.full(len(like), members[0])]).astype(np.int32), product[like, 0]
            _keep(product, asked, members, other, cosine)
            return found

        for pairs, similarity in spread(compare, pieces):
            links.append(pairs)
            alike.append(similarity)
    return Nearest(other, cosine, np.concatenate(links), np.concatenate(alike))


def _keep(product: np.ndarray, asked: np.ndarray, members: np.ndarray, other: np.ndarray, cosine: np.ndarray) -> None:
    """Put the largest values of a product [asked, members], which is spoilt, into the places of smaller ones: the last of each row."""
    active = np.arange(len(asked))
    for _ in range(min(cosine.shape[1], len(members))):
        best = product.argmax(axis=1) if len(active) == len(product) else product[active].argmax(axis=1)
        value, rows = product[active, best], asked[active]
        least = cosine[rows].argmin(axis=1)
        better = np.flatnonzero(value > cosine[rows, least])
        if not len(better):
            return
        active, best, least = active[better], best[better], least[better]
        other[asked[active], least] = members[best]
        cosine[asked[active], least] = product[active, best]
        product[active, best] = -np.inf
