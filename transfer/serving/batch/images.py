"""Files -> decoded images, a few at a time, with the reason for each that is none; in bounded memory on any number of threads."""

import functools
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from transfer.config import DataConfig
from transfer.data.decoding.decode import decode
from transfer.data.pipeline import ImageSpec, refusal
from transfer.data.reading import content, why_unread
from transfer.runs import Run
from transfer.serving import admission
from transfer.serving.batch.room import Room
from transfer.serving.refusals import ImageError

_TOGETHER = 16  # images decoded by one call, at most; larger ones are decoded alone
_DECODED_BYTES = 1 << 26  # of the images of one call once they are decoded, at most
_SMALL_BYTES, _SMALL_PIXELS = 4_000_000, 1_000_000
_FILE_BYTES = 1 << 28  # of larger files in memory at once
_PIXELS = 1 << 27  # of larger images being decoded at once: about 6 bytes each


@dataclass(frozen=True)
class Decoded:
    """What became of n files.

    Attributes:
        errors: n texts, empty where the file was decoded.
        images: uint8 [m, size, size, 3] of the m files that were.
    """

    errors: list[str]
    images: np.ndarray


def settings_of(run: Run, size: int) -> ImageSpec:
    """Return how a run's export decodes images; `size` is the side that its network sees."""
    own = {key: run.config[f"data.{key}"] for key in ("resize", "max_megapixels") if f"data.{key}" in run.config}
    return ImageSpec(size, DataConfig(**own))


class Decoder:
    """Reads and decodes files as an export does with their bytes (`serving_default`), to the same pixels.

    Attributes:
        images: size and settings.
        together: how many files are best given to `decode` at once.
    """

    def __init__(self, image_spec: ImageSpec) -> None:
        self.image_spec, self._limit = image_spec, image_spec.data.max_megapixels
        self.together = max(1, min(_TOGETHER, _DECODED_BYTES // (3 * image_spec.size**2)))
        self._bytes, self._pixels = Room(_FILE_BYTES), Room(_PIXELS)
        self._graph = _graph(image_spec.size, image_spec.data.resize, self._limit)

    def decode(self, files: Sequence[str]) -> Decoded:
        """Read and decode some files; called by several threads at once."""
        errors = [""] * len(files)
        images: dict[int, np.ndarray] = {}
        small: dict[int, bytes] = {}
        for number, file in enumerate(files):
            try:
                found = self._one(file)
                if isinstance(found, bytes):
                    small[number] = found
                else:
                    images[number] = found
            except ImageError as error:
                errors[number] = error.text
            except OSError as error:
                errors[number] = why_unread(file, error)
        self._together(small, images, errors)
        size = self.image_spec.size
        return Decoded(errors, np.stack([images[n] for n in sorted(images)]) if images else np.zeros((0, size, size, 3), np.uint8))

    def _one(self, file: str) -> bytes | np.ndarray:
        """Return the bytes of a small, ordinary image, or else its pixels [size, size, 3]."""
        size = os.stat(file).st_size
        with self._bytes.claim(size) if size > _SMALL_BYTES else nullcontext():
            _, data, reason = content(file, self._limit)
            if reason:
                raise ImageError(reason)
            ordinary = admission.ordinary(data, self._limit)
            pixels, transcodes = (ordinary.pixels, False) if ordinary else admission.examined(data, self._limit)
            if pixels <= _SMALL_PIXELS and size <= _SMALL_BYTES and not transcodes:
                return data
            with self._pixels.claim(pixels):
                if transcodes:
                    data = admission.transcoded(data)  # the original is let go
                return self._alone(data)

    def _alone(self, data: bytes) -> np.ndarray:
        try:
            return self._graph([data])[0]
        except tf.errors.InvalidArgumentError:
            raise ImageError(admission.DAMAGED) from None
        except tf.errors.OpError as error:
            raise ImageError(refusal(error, data)) from None

    def _together(self, encoded: dict[int, bytes], images: dict[int, np.ndarray], errors: list[str]) -> None:
        """Decode small images by one call; where one of them is damaged, one at a time."""
        if not encoded:
            return
        try:
            images |= zip(encoded, self._graph(list(encoded.values())), strict=True)
        except tf.errors.OpError:
            for number, data in encoded.items():
                try:
                    images[number] = self._alone(data)
                except ImageError as error:
                    errors[number] = error.text


@functools.lru_cache(maxsize=4)  # it takes a second to build
def _graph(size: int, resize: str, max_megapixels: float) -> Callable[[list[bytes]], np.ndarray]:
    """Return a function from n encoded images to uint8 [n, size, size, 3]."""

    def one(data: tf.Tensor) -> tf.Tensor:
        return decode(data, size, resize, max_megapixels)

    def every(data: tf.Tensor) -> tf.Tensor:
        # One after the other: other threads decode as well.
        return tf.map_fn(one, data, fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8), parallel_iterations=1)

    with tf.device("CPU:0"):
        traced: Any = tf.function(every, autograph=False, input_signature=[tf.TensorSpec([None], tf.string)]).get_concrete_function()
    return lambda data: traced(tf.constant(data, tf.string)).numpy()
