"""Whether an image's pixels can be decoded, tested much faster than by decoding it for the network.

Ordinary JPEG and PNG files are decoded many at a time by TensorFlow's plain ops, JPEG at an eighth of its size: damage is in
the compressed data, all of which is read at any scale. If that fails, and for all other files, the one decoder (`decode.py`)
decides. TensorFlow is imported with the first image.
"""

import functools
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from transfer.data.decoding.headers import Header

if TYPE_CHECKING:
    import tensorflow as tf

TOGETHER = 128
"""Images decoded by one call."""

_FEWER = 16  # images decoded by one call when one of a larger call is damaged

_SIDE = 64  # pixels; of the images that the one decoder makes here
_LARGE = 1_000_000  # pixels; a larger image is decoded by a call of its own, which bounds the memory


class DecodeTest:
    """Decodes images and discards the pixels; safe to use from many threads."""

    def __init__(self, max_megapixels: float) -> None:
        self.max_megapixels = max_megapixels
        self._building = threading.Lock()
        self._built: dict[tuple[str, int], Callable[[Any], Any]] = {}

    def reasons(self, images: Sequence[tuple[bytes, Header]]) -> list[str]:
        """Return for each image the reason why it cannot be decoded, as `pipeline.why_undecodable` gives it; empty if it can.

        Args:
            images: encoded images with their headers, none larger than the limit.
        """
        undecided = set(range(len(images)))
        for kind in ("JPEG", "PNG"):
            plain = [number for number, (_, header) in enumerate(images) if header.sure and _kind_of(header) == kind]
            undecided -= self._decodable(kind, plain, images)
        return [self._final_reason(data) if number in undecided else "" for number, (data, _) in enumerate(images)]

    def _decodable(self, kind: str, numbers: list[int], images: Sequence[tuple[bytes, Header]]) -> set[int]:
        """Return the images that the plain ops decode."""
        large = {n for n in numbers if images[n][1].width * images[n][1].height > _LARGE}
        left, good = [n for n in numbers if n not in large], set(numbers)
        for size in (TOGETHER, _FEWER):
            groups = [left[start : start + size] for start in range(0, len(left), size)]
            # Unused places in a call cost a little too, so a few images wait for a smaller call.
            left = [n for group in groups if 8 * len(group) < size or not self._decodes(kind, size, group, images) for n in group]
        return good - {n for n in (*left, *large) if not self._decodes(kind, 1, [n], images)}

    def _decodes(self, kind: str, size: int, numbers: list[int], images: Sequence[tuple[bytes, Header]]) -> bool:
        """Decode images with the graph that takes `size` of them; return whether none failed."""
        import tensorflow as tf

        fillers = [self._filler[kind]] * (size - len(numbers)) if len(numbers) < size else []
        try:
            self._function(kind, size)(tf.constant([images[n][0] for n in numbers] + fillers, tf.string))
        except tf.errors.OpError:
            return False
        return True

    def _final_reason(self, data: bytes) -> str:
        import tensorflow as tf

        from transfer.data.pipeline import refusal

        try:
            self._function("any", 1)(tf.constant(data))
        except tf.errors.OpError as error:
            return refusal(error, data)
        return ""

    @cached_property
    def _filler(self) -> dict[str, bytes]:
        """Images of one pixel, for unused places in a call."""
        import tensorflow as tf

        pixel = tf.zeros([1, 1, 3], tf.uint8)
        return {"JPEG": tf.io.encode_jpeg(pixel).numpy(), "PNG": tf.io.encode_png(pixel).numpy()}

    def _function(self, kind: str, count: int) -> Callable[[Any], Any]:
        with self._building:
            if (kind, count) not in self._built:
                self._built[kind, count] = _compiled(kind, count, self.max_megapixels if kind == "any" else 0.0)
            return self._built[kind, count]


def _kind_of(header: Header) -> str:
    """Return the format whose decoder reads an image; an MPO is a JPEG followed by other images."""
    return "JPEG" if header.format == "MPO" else header.format


@functools.cache
def _compiled(kind: str, count: int, max_megapixels: float) -> Callable[[Any], Any]:
    """Build a graph that decodes `count` strings and returns one number for each."""
    import tensorflow as tf

    from transfer.data.decoding.decode import decode

    def decoded(one: "tf.Tensor") -> "tf.Tensor":
        if kind == "JPEG":
            return tf.io.decode_jpeg(one, channels=3, ratio=8, dct_method="INTEGER_FAST")
        return tf.io.decode_png(one, channels=4)

    @tf.autograph.experimental.do_not_convert
    def heights(strings: "tf.Tensor") -> "tf.Tensor":
        if kind == "any":
            return tf.reduce_max(decode(strings, _SIDE, max_megapixels=max_megapixels))
        return tf.stack([tf.shape(decoded(one))[0] for one in tf.unstack(strings)])

    with tf.device("CPU:0"):
        shape = [] if kind == "any" else [count]
        return tf.function(heights, input_signature=[tf.TensorSpec(shape, tf.string)]).get_concrete_function()
