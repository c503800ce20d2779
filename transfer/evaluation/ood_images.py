"""Images of other data, which should be out of distribution: the digits and photographs that come with scikit-learn."""

import hashlib
import io
from collections.abc import Collection, Sequence
from functools import cache

import numpy as np
from PIL import Image

from transfer.data import digits

_SMALLEST, _LARGEST = 96, 300  # side of a part of a photograph, in pixels


def images(count: int, trained_on: Collection[str], seed: int = 0) -> dict[str, list[bytes]]:
    """Return `count` images of each kind, PNG.

    Args:
        count: of each kind; 0: none at all.
        trained_on: SHA-256 of the files trained on; the digits are left out if one of them is among these.
        seed: of the choice.
    """
    if not count:
        return {}
    found = {"parts of photographs": list(_parts_of_photographs(count, seed))}
    every = digits.images()
    if not any(hashlib.sha256(file).hexdigest() in trained_on for file in every):
        chosen = np.random.default_rng(seed).permutation(len(every))[:count]
        found["handwritten digits"] = [every[number] for number in chosen]
    return found


@cache
def _parts_of_photographs(count: int, seed: int) -> tuple[bytes, ...]:
    generator = np.random.default_rng(seed)
    return tuple(_encoded(_part_of_a_photograph(generator), "PNG") for _ in range(count))


def photographs(kinds: Sequence[str]) -> list[bytes]:
    """Return a part of a photograph in each of these formats (JPEG, PNG)."""
    generator = np.random.default_rng(0)
    return [_encoded(_part_of_a_photograph(generator), kind) for kind in kinds]


def _part_of_a_photograph(generator: np.random.Generator) -> np.ndarray:
    photographs = _photographs()
    photograph = photographs[generator.integers(len(photographs))]
    side = generator.integers(_SMALLEST, _LARGEST)
    top, left = (generator.integers(length - side) for length in photograph.shape[:2])
    return photograph[top : top + side, left : left + side]


def _encoded(pixels: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, compress_level=1)  # of PNG: fast rather than small
    return buffer.getvalue()


@cache
def _photographs() -> list[np.ndarray]:
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)
