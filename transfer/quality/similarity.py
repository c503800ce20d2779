"""Near copies: the same image rescaled, compressed again, cropped a little, brighter or darker.

Found in two steps. Images whose features or whose coarse brightness are most alike become candidates: a few for each
image, whatever their cosine, since the cosines of true copies differ between networks and data sets. Then the pixels
decide: one image is laid over the other, moved and scaled, and what remains must be the same. That step needs no tuning
to the network, and tells copies from other images of the same shape. Where whole classes are alike, copies must also
be more alike than the others (`distinct`).
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from transfer.quality import alignment, near_duplicates
from transfer.quality.distinct import standing_out
from transfer.quality.near_duplicates import Pairs
from transfer.quality.vectors import feature_vectors, thumbnail_vectors

_LEAST_COSINE = 0.3


class Found(NamedTuple):
    """What was found.

    Attributes:
        pairs: of images that are nearly the same, the most alike first. Their similarity is at most 1: what remains
            after alignment is counted against what a displacement by one pixel would change (`alignment.agreement`).
        alike: number of pairs above the threshold that are left out, as both images are like many (`distinct`).
    """

    pairs: Pairs
    alike: int


def find(
    features: Mapping[str, np.ndarray], thumbnails: np.ndarray, threshold: float = 0.97, neighbours: int = 5, ratio: float = 0.4
) -> Found:
    """Find pairs of images that are nearly the same.

    Args:
        features: cut point -> float [n, width], pooled; empty for networks without stored features.
        thumbnails: uint8 [n, s, s, 3], s even: the images reduced to a few pixels by averaging.
        threshold: smallest similarity.
        neighbours: candidates looked at for each image, by features and by thumbnails.
        ratio: see `distinct.standing_out`; 1: all pairs above the threshold.
    """
    thumbnail_rows = thumbnail_vectors(thumbnails)
    tables = [near_duplicates.pairs(thumbnail_rows, _LEAST_COSINE, neighbours), _plain_pairs(thumbnails, thumbnail_rows)]
    if features:
        tables.append(near_duplicates.pairs(feature_vectors(features), _LEAST_COSINE, neighbours))
    candidates = near_duplicates.union(*tables)
    agreement = partial(alignment.agreement, alignment.smoothed(thumbnails))
    similarity = agreement(candidates.first, candidates.second, threshold)
    stands_out = standing_out(candidates, similarity, threshold, ratio, agreement)
    checked = Pairs(candidates.first, candidates.second, similarity)
    alike = np.count_nonzero(similarity >= threshold) - np.count_nonzero(stands_out)
    return Found(near_duplicates.union(checked.chosen(stands_out)), int(alike))


def _plain_pairs(thumbnails: np.ndarray, thumbnail_rows: np.ndarray) -> Pairs:
    """Images of one colour have no direction; each is a candidate of the one with the next colour."""
    plain = np.flatnonzero(~thumbnail_rows.any(axis=1))
    color = np.round(thumbnails[plain].mean(axis=(1, 2)) / 8)
    order = plain[np.lexsort((*color.T, color.sum(axis=1)))]
    first, second = np.minimum(order[:-1], order[1:]), np.maximum(order[:-1], order[1:])
    return Pairs(first, second, np.ones(len(first), np.float32))
