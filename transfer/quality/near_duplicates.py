"""Near duplicates: the same image rescaled, recompressed, slightly cropped, brighter or darker.

They are found in three steps:

1. Candidates: for each image the few others whose features or thumbnails are most similar (`candidates`), however small their
   cosine, since the cosines of near duplicates differ between networks and data sets. Among very many images, nearly all of these.
2. The pixels decide: one image is aligned with the other, and what remains must be small (`alignment`). This needs no tuning
   to the network, and tells near duplicates from different images of the same shape.
3. Where a whole class looks alike (trousers on black, 28 pixels wide), a pair must also be much more similar than each of its
   images is to others. As keypoints are compared with their second match (Lowe 2004, "Distinctive image features from
   scale-invariant keypoints", section 7.1), images are compared with their eighth, so that up to eight near duplicates of one
   image still count as such.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from transfer.config import CheckConfig
from transfer.quality import alignment, candidates, vectors
from transfer.quality.candidates import Pairs
from transfer.quality.smoothed import smoothed
from transfer.quality.tables import BLOCK, Table

_LEAST_COSINE = 0.3
_RANK = 8
_FEWEST = 5  # an image compared with fewer others is judged by the threshold alone
_SURE = 0.01  # smaller differences are always near duplicates: long series of one scene stay together

Agreement = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class NearDuplicates:
    """Which of n images are near duplicates.

    Attributes:
        pairs: rows of the images, the most similar pairs first; similarities are those of `alignment.agreement`.
        groups: number of each image's group, int64 [n]; see `groups`.
        left_out: number of pairs above the threshold that were left out because both images are similar to many others.
        approximate: whether there are so many images that the few most similar ones of each were not looked for among all.
    """

    pairs: Pairs
    groups: np.ndarray
    left_out: int = 0
    approximate: bool = False

    def group_names(self, rows: pd.DataFrame) -> dict[int, str]:
        """Return the name of the group of each image that has near duplicates.

        Args:
            rows: of the manifest, [n].

        Returns:
            Index of the row -> name, made of the smallest digest of the group.
        """
        size = np.bincount(self.groups)[self.groups]
        chosen = np.flatnonzero(size > 1)
        if not len(chosen):
            return {}
        names = pd.Series(rows["digest"].to_numpy()[chosen]).groupby(self.groups[chosen]).transform("min").str[:16]
        return dict(zip(rows.index[chosen].tolist(), ("near " + names).tolist(), strict=True))


def find(features: Mapping[str, Table], thumbnails: Table, config: CheckConfig, seed: int = 0) -> NearDuplicates:
    """Compare n images with each other.

    Args:
        features: cut point and pooling -> float [n, width]; empty for networks without stored features.
        thumbnails: uint8 [n, s, s, 3], s even: the images averaged down to a few pixels.
        config: `near_duplicate`, `near_duplicate_ratio`, `neighbours`, `exact_images` and `lists`.
        seed: of the lists in which the most similar ones are looked for among more than `exact_images`. Their result is the same
            for the same images in the same order, so give them in an order of their own (that of their digests).
    """
    threshold, approximate = config.near_duplicate, len(thumbnails) > config.exact_images
    compared = _compared_of_many(features, thumbnails, config, seed) if approximate else _compared(features, thumbnails, config)
    agreement = partial(alignment.agreement, smoothed(thumbnails))
    similarity = agreement(compared.first, compared.second, threshold)
    chosen = standing_out(compared, similarity, threshold, config.near_duplicate_ratio, agreement)
    left_out = np.count_nonzero(similarity >= threshold) - np.count_nonzero(chosen)
    pairs = candidates.union(Pairs(compared.first, compared.second, similarity).chosen(chosen))
    return NearDuplicates(pairs, groups(len(thumbnails), pairs), int(left_out), approximate)


def _compared(features: Mapping[str, Table], thumbnails: Table, config: CheckConfig) -> Pairs:
    """Return the pairs of images to be compared: each one's most similar others."""
    rows = vectors.thumbnail_vectors(thumbnails[:])
    tables = [candidates.pairs(rows, _LEAST_COSINE, config.neighbours), _of_one_color(thumbnails, np.flatnonzero(~rows.any(axis=1)))]
    if features:
        of_features = vectors.feature_vectors({name: table[:] for name, table in features.items()})
        tables.append(candidates.pairs(of_features, _LEAST_COSINE, config.neighbours))
    return candidates.union(*tables)


def _compared_of_many(features: Mapping[str, Table], thumbnails: Table, config: CheckConfig, seed: int) -> Pairs:
    """Return nearly all pairs that `_compared` returns."""
    look = partial(candidates.pairs_of_many, threshold=_LEAST_COSINE, neighbours=config.neighbours, probes=config.lists, seed=seed)
    rows, plain = vectors.narrow_thumbnail_vectors(thumbnails)
    tables = [look(rows), _of_one_color(thumbnails, np.flatnonzero(plain))]
    del rows
    if features:
        tables.append(look(vectors.narrow_feature_vectors(features)))
    return candidates.union(*tables)


def groups(n: int, pairs: Pairs) -> np.ndarray:
    """Number the groups of rows that are connected by pairs, directly or through others.

    Returns:
        int64 [n]: from 0, in the order of each group's first row; a row without a pair is a group of its own.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), np.int8), (pairs.first, pairs.second)), shape=(n, n))
    _, numbers = connected_components(graph, directed=False)
    return pd.factorize(numbers)[0].astype(np.int64)


def standing_out(compared: Pairs, similarity: np.ndarray, threshold: float, ratio: float, agreement: Agreement) -> np.ndarray:
    """Choose the pairs above a threshold that are much more similar than either image is to others.

    Args:
        compared: all pairs that were compared.
        similarity: of each pair, at most 1, exact where it is at least `threshold`; float32 [m].
        threshold: smallest similarity of near duplicates.
        ratio: largest difference (1 - similarity) of near duplicates, as a share of each image's difference from its eighth
            most similar image; 1 chooses all pairs above the threshold.
        agreement: (first, second, least) -> similarity of these pairs, exact where it is at least `least`.

    Returns:
        bool [m], false below the threshold.
    """
    above = similarity >= threshold
    unsure = above & (1 - similarity > _SURE)
    if ratio >= 1 or not unsure.any():
        return above
    first, second = compared.first, compared.second
    asked = np.zeros(int(second.max()) + 1, bool)
    asked[first[unsure]] = asked[second[unsure]] = True
    others = np.flatnonzero((asked[first] | asked[second]) & ~above)
    difference = 1 - similarity
    difference[others] = 1 - agreement(first[others], second[others], 1 - (1 - threshold) / ratio)
    known = np.flatnonzero(asked[first] | asked[second])
    difference_of_each = difference[known]
    usual = _of_rank(np.concatenate([first[known], second[known]]), np.concatenate([difference_of_each] * 2), len(asked))
    result: np.ndarray = above & (~unsure | (difference <= ratio * np.minimum(usual[first], usual[second])))
    return result


def _of_rank(rows: np.ndarray, difference: np.ndarray, count: int) -> np.ndarray:
    """Return each row's eighth smallest difference, or its largest where it has fewer; infinite where it has very few."""
    order = np.lexsort((difference, rows))
    numbers = np.bincount(rows, minlength=count)
    last = np.cumsum(numbers) - 1
    usual = difference[order][np.maximum(last - np.maximum(numbers - _RANK, 0), 0)]
    return np.where(numbers >= _FEWEST, usual, np.inf)


def _of_one_color(thumbnails: Table, plain: np.ndarray) -> Pairs:
    """Pair these images of one colour each with the one of the next colour."""
    means = [thumbnails[plain[start : start + BLOCK]].mean(axis=(1, 2)) for start in range(0, len(plain), BLOCK)]
    color = np.round(np.concatenate([np.empty((0, 3)), *means]) / 8)
    order = plain[np.lexsort((*color.T, color.sum(axis=1)))]
    first, second = np.minimum(order[:-1], order[1:]), np.maximum(order[:-1], order[1:])
    return Pairs(first, second, np.ones(len(first), np.float32))
