"""Copies told from different images of a kind that all look alike: trousers on black, 28 pixels wide.

An image is much more like its copy than like the next images; of many that are alike, none is. So the difference of two
copies is compared with the difference of each from its eighth most similar image, as keypoints are with their second
(Lowe 2004, "Distinctive image features from scale-invariant keypoints", section 7.1). The eighth, so that up to eight
copies of one image are not taken for images that are alike.
"""

from collections.abc import Callable

import numpy as np

from transfer.quality.near_duplicates import Pairs

_RANK = 8
_FEWEST = 5  # images with fewer compared ones are judged by nothing but the threshold
_SURE = 0.01  # a smaller difference is a copy whatever the others are like: longer series of one scene stay together

Agreement = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def standing_out(candidates: Pairs, similarity: np.ndarray, threshold: float, ratio: float, agreement: Agreement) -> np.ndarray:
    """Say which pairs above a threshold are much more alike than both images are like others.

    Args:
        candidates: all pairs that were compared.
        similarity: of each, at most 1, exact where it is at least `threshold`; float32 [m].
        threshold: smallest similarity of copies.
        ratio: largest difference (1 less similarity) of copies, as a share of each image's difference from its eighth
            most similar one; 1: nothing is left out.
        agreement: rows, rows, least -> similarity of these pairs, exact where it is at least `least`.

    Returns:
        bool [m], false below the threshold.
    """
    above = similarity >= threshold
    unsure = above & (1 - similarity > _SURE)
    if ratio >= 1 or not unsure.any():
        return above
    first, second = candidates.first, candidates.second
    asked = np.zeros(int(second.max()) + 1, bool)
    asked[first[unsure]] = asked[second[unsure]] = True
    others = np.flatnonzero((asked[first] | asked[second]) & ~above)
    difference = 1 - similarity
    difference[others] = 1 - agreement(first[others], second[others], 1 - (1 - threshold) / ratio)
    usual = _of_rank(np.concatenate([first, second]), np.concatenate([difference, difference]), len(asked))
    result: np.ndarray = above & (~unsure | (difference <= ratio * np.minimum(usual[first], usual[second])))
    return result


def _of_rank(rows: np.ndarray, difference: np.ndarray, count: int) -> np.ndarray:
    """Return each row's eighth smallest difference, or its largest where it has fewer; infinite where it has very few."""
    order = np.lexsort((difference, rows))
    numbers = np.bincount(rows, minlength=count)
    last = np.cumsum(numbers) - 1
    usual = difference[order][np.maximum(last - np.maximum(numbers - _RANK, 0), 0)]
    return np.where(numbers >= _FEWEST, usual, np.inf)
