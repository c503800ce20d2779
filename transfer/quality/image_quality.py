"""Images that show little: blank, dark, blurred or of low information, by what their thumbnails show.

The measures are those that cleanvision uses (brightness, variance of the Laplacian, entropy), on the stored thumbnails, so no image is
decoded again. A thumbnail has 32 pixels a side: what is found there is so in what the network sees, and what is only a little
blurred is not found.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from transfer.config import CheckConfig

BLANK, DARK, BLURRED, POOR = "blank", "dark", "blurred", "low information"
ODD, TINY = "odd aspect ratio", "tiny"
KINDS = (BLANK, DARK, BLURRED, POOR, ODD, TINY)
"""Kinds of images that show little, though nothing is wrong with their files; the last two by their sides alone (`files.py`)."""

_WEIGHTS = np.array([0.241, 0.691, 0.068], np.float32)
"""Of red, green and blue in the perceived brightness, the root of the weighted mean of their squares (Finley 2006)."""

_BRIGHT = 99  # percentile of the brightness: of a dark image even the bright places are dark
_LEVELS = 256


def find(thumbnails: np.ndarray, config: CheckConfig) -> dict[str, np.ndarray]:
    """Return kind -> which images are of it, bool [n]; an image is of one kind, the first of blank, dark, blurred and low information.

    Args:
        thumbnails: uint8 [n, s, s, 3].
        config: limits.
    """
    grey = brightness(thumbnails)
    bright = np.percentile(grey, _BRIGHT, axis=(1, 2)) if len(grey) else np.empty(0)
    kinds = {
        BLANK: of_one_color(thumbnails),
        DARK: bright < config.dark * (_LEVELS - 1),
        BLURRED: sharpness(grey) < config.blurred,
        POOR: entropy(grey) < config.low_information,
    }
    free = np.ones(len(grey), bool)
    for kind, found in kinds.items():
        kinds[kind], free = found & free, free & ~found
    return kinds


def joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Put the answers for several blocks of images together."""
    return {kind: np.concatenate([part[kind] for part in parts]) for kind in (BLANK, DARK, BLURRED, POOR)} if parts else {}


def brightness(thumbnails: np.ndarray) -> np.ndarray:
    """Return the perceived brightness of each pixel: uint8 [n, s, s, 3] -> float32 [n, s, s], 0 to 255."""
    seen: np.ndarray = np.sqrt(np.square(thumbnails.astype(np.float32)) @ _WEIGHTS)
    return seen


def sharpness(grey: np.ndarray) -> np.ndarray:
    """Return the variance of the Laplacian as a multiple of that of the image: float32 [n, s, s] -> float32 [n].

    As a multiple, since the variance alone (Pech-Pacheco et al. 2000) would call images of low contrast blurred. Sharp photographs and
    drawings have 0.2 and more, mostly over 0.5; noise 20. Images of one brightness count as sharp.
    """
    middle = grey[:, 1:-1, 1:-1]
    laplacian = 4 * middle - grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1] - grey[:, 1:-1, :-2] - grey[:, 1:-1, 2:]
    spread = grey.var(axis=(1, 2))
    return np.divide(laplacian.var(axis=(1, 2)), spread, out=np.full(len(grey), np.inf, np.float32), where=spread > 1)


def entropy(grey: np.ndarray) -> np.ndarray:
    """Return the entropy of the grey levels in bits, 0 to 8: float32 [n, s, s] -> float64 [n]."""
    pixels = grey[0].size if len(grey) else 1
    levels = grey.reshape(len(grey), grey.shape[1] * grey.shape[2]).astype(np.int64) + _LEVELS * np.arange(len(grey))[:, np.newaxis]
    shares = np.bincount(levels.ravel(), minlength=_LEVELS * len(grey)).reshape(len(grey), _LEVELS) / pixels
    bits: np.ndarray = -np.sum(shares * np.log2(shares, out=np.zeros_like(shares), where=shares > 0), axis=1)
    return bits


def of_one_color(thumbnails: np.ndarray) -> np.ndarray:
    """Return which images are of one colour: uint8 [n, s, s, 3] -> bool [n]."""
    found: np.ndarray = (thumbnails.max(axis=(1, 2)) - thumbnails.min(axis=(1, 2))).max(axis=1, initial=0) <= 1
    return found
