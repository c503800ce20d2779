"""Small images for comparison by their pixels: slightly blurred, in grey, at half the size."""

from dataclasses import dataclass

import numpy as np

from transfer.quality.tables import Table, blocks


@dataclass(frozen=True)
class Smoothed:
    """Images slightly blurred, since aligned images are interpolated, so the others must be no sharper.

    Attributes:
        thumbnails: uint8 [n, s, s, 3], s even, RGB, as they are.
        sums: of the 12 values of 2x2 pixels, blurred: uint16 [n, s / 2, s / 2], half the memory of their mean.
    """

    thumbnails: Table
    sums: np.ndarray

    def full(self, rows: np.ndarray) -> np.ndarray:
        """Return these images, float32 [m, s, s, 3]."""
        return blurred(self.thumbnails[rows]).astype(np.float32)

    def coarse(self, rows: np.ndarray) -> np.ndarray:
        """Return these images in grey at half the size, float32 [m, s / 2, s / 2]: the same as `grey(halved(...))`, to the last bit."""
        found: np.ndarray = self.sums[rows] / np.float32(4) / np.float32(3)
        return found


def smoothed(thumbnails: Table) -> Smoothed:
    """Blur images uint8 [n, s, s, 3], s even."""
    sums = np.empty((len(thumbnails), thumbnails.shape[1] // 2, thumbnails.shape[2] // 2), np.uint16)
    for part in blocks(len(thumbnails), 1024):
        sums[part] = _four(blurred(thumbnails[part])).sum(axis=3)
    return Smoothed(thumbnails, sums)


def blurred(thumbnails: np.ndarray) -> np.ndarray:
    """Blur slightly, uint8 [n, s, s, c] -> the same."""
    wide = np.pad(thumbnails.astype(np.uint16), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    down = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    return ((down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:] + 8) >> 4).astype(np.uint8)


def halved(thumbnails: np.ndarray) -> np.ndarray:
    """Average squares of 2x2 pixels: uint8 [n, s, s, c] -> float32 [n, s / 2, s / 2, c]."""
    return _four(thumbnails) / np.float32(4)


def _four(images: np.ndarray) -> np.ndarray:
    """Sum of squares of 2x2 pixels: uint8 [n, s, s, c] -> uint16 [n, s / 2, s / 2, c]."""
    rows = images[:, 0::2].astype(np.uint16) + images[:, 1::2]
    found: np.ndarray = rows[:, :, 0::2] + rows[:, :, 1::2]
    return found


def grey(images: np.ndarray) -> np.ndarray:
    """Mean of the three channels: float32 [n, s, s, 3] -> float32 [n, s, s]."""
    return (images[..., 0] + images[..., 1] + images[..., 2]) / np.float32(3)
