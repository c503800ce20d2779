"""An exported SavedModel, loaded as a client would load it: bytes in, probabilities out. Needs nothing but the export."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from transfer.errors import RunError

_LARGE_BYTES = 64 << 20  # encoded bytes given to the model at once, at most


class Served:
    """A loaded export.

    Attributes:
        labels: class names, in the order of the probabilities.
    """

    def __init__(self, folder: Path) -> None:
        """Load a SavedModel.

        Raises:
            RunError: where the folder is no SavedModel of this package.
        """
        try:
            self._model = tf.saved_model.load(str(folder))
            self._signature = self._model.signatures["serving_default"]
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise RunError(f"The export cannot be loaded: {str(error).splitlines()[0]}. Received {str(folder)!r}.") from None
        file = self._model.labels_file.asset_path.numpy().decode()
        self.labels = Path(file).read_bytes().decode("utf-8", errors="surrogateescape").split("\n")[:-1]

    def probabilities(self, pictures: Sequence[bytes]) -> np.ndarray:
        """Return float32 [n, classes] for n encoded pictures.

        Raises:
            tf.errors.InvalidArgumentError: where one of them cannot be decoded.
        """
        return self._signature(image_bytes=tf.constant(list(pictures), tf.string))["probabilities"].numpy()


def batched(
    files: Sequence[bytes], batch_size: int, read: Callable[[bytes], bytes], pixels: Sequence[int] | None = None, most_pixels: int = 1 << 25
) -> Iterator[tuple[list[int], list[bytes]]]:
    """Read files into batches of at most `batch_size`; fewer where pictures are large, so that memory stays bounded.

    Yields:
        Positions in `files`, and the bytes.
    """
    positions: list[int] = []
    batch: list[bytes] = []
    size = area = 0
    for position, file in enumerate(files):
        data = read(file)
        own = pixels[position] if pixels is not None else 0
        if batch and (len(batch) == batch_size or size + len(data) > _LARGE_BYTES or area + own > most_pixels):
            yield positions, batch
            positions, batch, size, area = [], [], 0, 0
        positions.append(position)
        batch.append(data)
        size, area = size + len(data), area + own
    if batch:
        yield positions, batch
