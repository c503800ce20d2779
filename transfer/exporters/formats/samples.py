"""Training pictures from which the ranges of 8-bit values are taken, one at a time."""

from collections.abc import Iterator

import numpy as np

from transfer.exporters.formats.graph import INPUT


class Samples:
    """Pictures as inputs of the signature `images`: to be gone through any number of times, or asked for one by one."""

    def __init__(self, pictures: np.ndarray) -> None:
        """Keep pictures, uint8 [n, size, size, 3]; they become float32 one at a time."""
        self._pictures = pictures
        self._rest = iter(self)

    def __len__(self) -> int:
        return len(self._pictures)

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return ({INPUT: picture[np.newaxis].astype(np.float32)} for picture in self._pictures)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next picture; none after the last, as ONNX Runtime asks for it."""
        return next(self._rest, None)
