"""Files -> decoded images, several at a time, or the reason why one cannot be decoded; bounded memory on any number of threads."""

import functools
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import numpy as np
import tensorflow as tf

from transfer.config import DataConfig
from transfer.data.decoding.decode import decode
from transfer.data.decoding.to_8_bits import Range
from transfer.data.pipeline import ImageSpec, refusal
from transfer.data.reading import content, most_bytes, too_large, why_unread
from transfer.data.storage import CONNECTIONS, contents, is_remote
from transfer.runs import Run
from transfer.serving import admission
from transfer.serving.refusals import ImageError

_TOGETHER = 16  # most images decoded by one call: a call of its own costs more than decoding a small image
_DECODED_BYTES = 1 << 26  # most bytes that the decoded images of one call take
_SMALL_BYTES, _SMALL_PIXELS = 4_000_000, 1_000_000  # larger images are decoded alone
_FILE_BYTES = 1 << 28  # of larger files in memory at once
_PIXELS = 1 << 27  # of larger images being decoded at once: about 6 bytes each

Fetched = bytes | OSError | None
"""The content of an object, or why it could not be read; None for a local file, which is read when it is decoded."""

Decoded = np.ndarray | str
"""One file: its image uint8 [size, size, 3], or the reason why there is none."""


def spec_of(run: Run, size: int, connections: int = CONNECTIONS) -> ImageSpec:
    """Return how a run's export decodes images.

    Args:
        size: side of the images that its network sees, in pixels.
        connections: requests at once to object storage.
    """
    keys = ("resize", "max_megapixels", "value_range")
    own = {key: run.config[f"data.{key}"] for key in keys if f"data.{key}" in run.config}
    return ImageSpec(size, DataConfig(**own, connections=connections))


class Decoder:
    """Reads and decodes files to the same pixels as the export does with their bytes (`serving_default`).

    Attributes:
        image_spec: size and decoder settings.
        together: the number of files to give to `decode` at once.
    """

    def __init__(self, image_spec: ImageSpec) -> None:
        self.image_spec, self._limit = image_spec, image_spec.data.max_megapixels
        self.together = max(1, min(_TOGETHER, _DECODED_BYTES // (3 * image_spec.size**2)))
        self._bytes, self._pixels = Room(_FILE_BYTES), Room(_PIXELS)
        self._graph = _graph(image_spec.size, image_spec.data.resize, self._limit, image_spec.value_range)

    def decode(self, files: Sequence[str], fetched: Sequence[Fetched] | None = None) -> list[Decoded]:
        """Read and decode some files; safe to call from several threads at once.

        Args:
            fetched: the bytes of objects; None for files that are read here, and for all of them.
        """
        decoded: list[Decoded] = [""] * len(files)
        small: dict[int, bytes] = {}
        for number, (file, own) in enumerate(zip(files, fetched or [None] * len(files), strict=True)):
            try:
                found = self._read(file, own)
                if isinstance(found, bytes):
                    small[number] = found
                else:
                    decoded[number] = found
            except ImageError as error:
                decoded[number] = error.text
            except OSError as error:
                decoded[number] = why_unread(file, error)
        for number, image in zip(small, self._small(list(small.values())), strict=True):
            decoded[number] = image
        return decoded

    def fetched(self, files: Sequence[str]) -> Generator[Fetched, None, None]:
        """Yield what `decode` needs of each file: the bytes of objects are read ahead, with many connections.

        Raises:
            DataError: if object storage cannot be used.
        """
        with closing(contents(filter(is_remote, files), self.image_spec.data.connections, most=most_bytes(self._limit) + 1)) as found:
            for file in files:
                yield next(found) if is_remote(file) else None

    def _read(self, file: str, fetched: Fetched) -> bytes | np.ndarray:
        """Return the bytes of a small, ordinary image, or else its pixels [size, size, 3]."""
        if isinstance(fetched, OSError):
            raise fetched
        size = len(fetched) if fetched is not None else os.stat(file).st_size
        with self._bytes.claim(size) if size > _SMALL_BYTES else nullcontext():
            data, reason = (fetched, too_large(size, self._limit)) if fetched is not None else content(file, self._limit)[1:]
            if reason:
                raise ImageError(reason)
            size = len(data)
            ordinary = admission.ordinary(data, self._limit)
            pixels, transcodes = (ordinary.pixels, False) if ordinary else admission.examined(data, self._limit)
            if pixels <= _SMALL_PIXELS and size <= _SMALL_BYTES and not transcodes:
                return data
            with self._pixels.claim(pixels):
                if transcodes:
                    data = admission.transcoded(data, self.image_spec.value_range)  # frees the original
                return self._alone(data)

    def _alone(self, data: bytes) -> np.ndarray:
        try:
            return self._graph([data])[0]
        except tf.errors.InvalidArgumentError:
            raise ImageError(admission.DAMAGED) from None
        except tf.errors.OpError as error:
            raise ImageError(refusal(error, data)) from None

    def _small(self, encoded: Sequence[bytes]) -> list[Decoded]:
        """Decode small images by one call; if one of them is damaged, one at a time."""
        if not encoded:
            return []
        try:
            return list(self._graph(encoded))
        except tf.errors.OpError:
            return [self._or_reason(data) for data in encoded]

    def _or_reason(self, data: bytes) -> Decoded:
        try:
            return self._alone(data)
        except ImageError as error:
            return error.text


class Room:
    """A limit on what may be held at once; anything larger than the limit is held alone.

    A thread may hold one claim at a time: waiting for a second one could deadlock.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity, self._held = capacity, 0
        self._changed = threading.Condition()

    @contextmanager
    def claim(self, amount: int) -> Iterator[None]:
        """Wait until there is room for `amount`, and hold it until the block ends."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + amount <= self.capacity)
            self._held += amount
        try:
            yield
        finally:
            with self._changed:
                self._held -= amount
                self._changed.notify_all()


@functools.lru_cache(maxsize=4)  # tracing takes a second
def _graph(size: int, resize: str, max_megapixels: float, value_range: Range | None) -> Callable[[Sequence[bytes]], np.ndarray]:
    """Return a function from n encoded images to uint8 [n, size, size, 3]."""

    def one(data: tf.Tensor) -> tf.Tensor:
        return decode(data, size, resize, max_megapixels, value_range)

    def every(data: tf.Tensor) -> tf.Tensor:
        # One after the other: the other threads decode as well.
        return tf.map_fn(one, data, fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8), parallel_iterations=1)

    with tf.device("CPU:0"):
        traced: Any = tf.function(every, autograph=False, input_signature=[tf.TensorSpec([None], tf.string)]).get_concrete_function()
    return lambda data: traced(tf.constant(data, tf.string)).numpy()
