"""Training images from which the ranges of 8-bit values are taken, one at a time."""

from collections.abc import Iterator

import numpy as np

from transfer.exporters.formats.graph import INPUT


class Samples:
    """Images as inputs of the signature `images`: to be gone through any number of times, or asked for one by one."""

    def __init__(self, images: np.ndarray) -> None:
        """Keep images, uint8 [n, size, size, 3]; they become float32 one at a time."""
        self._images = images
        self._rest = iter(self)

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return ({INPUT: image[np.newaxis].astype(np.float32)} for image in self._images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next image; none after the last, as ONNX Runtime asks for it."""
        return next(self._rest, None)
