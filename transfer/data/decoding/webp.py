"""First frame of an animated WebP, as the bytes of a still one.

TensorFlow 2.21 writes past its buffer when it is asked for the first frame only of an animated WebP, and asked for all
frames it allocates them all; so the still image inside the first frame is cut out before TensorFlow sees it.
Source: WebP container specification, Google, sections on the RIFF header, VP8X, and ANMF.
"""

import tensorflow as tf

from transfer.data.decoding.bytes_in_graph import BYTES, head, number, part

_ANMF = 0x414E4D46
_SEARCHED = 1 << 20  # colour profile and other chunks before the first frame


def is_animated(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return whether a WebP string scalar has the animation flag. Bool scalar."""
    data = head(image_bytes, 64)
    return (number(data, 12, 4, False) == 0x56503858) & (number(data, 20, 1) // 2 % 2 == 1)


def still(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return a still WebP of the first frame of an animated one, other WebP as it is. String scalar to string scalar.

    A first frame smaller than its canvas gives an image of the frame's size.

    Raises:
        tf.errors.InvalidArgumentError: where an animated file has no frame.
    """
    return tf.cond(is_animated(image_bytes), lambda: _first_frame(image_bytes), lambda: image_bytes)


def _first_frame(image_bytes: tf.Tensor) -> tf.Tensor:
    data = head(image_bytes, _SEARCHED)
    end = tf.size(data) - 64

    def following(position: tf.Tensor) -> tuple[tf.Tensor]:
        size = tf.minimum(number(data, position + 4, 4), _SEARCHED)
        return (position + 8 + tf.cast(size + size % 2, tf.int32),)

    (frame,) = tf.while_loop(lambda position: (position < end) & (number(data, position, 4, False) != _ANMF), following, (tf.constant(12),))
    found = tf.debugging.Assert(frame + 24 < end, ["The animated WebP has no frame."])
    with tf.control_dependencies([found] if found is not None else []):
        length = tf.cast(number(data, frame + 4, 4), tf.int32) - 16
    pixels = part(image_bytes, frame + 24, frame + 24 + length)
    sides = part(image_bytes, frame + 14, frame + 20)
    total = tf.strings.length(pixels) + 22
    header = [b"RIFF", _little_endian(total), b"WEBPVP8X", b"\n\0\0\0", b"\x10\0\0\0", sides]
    return tf.strings.join([*header, pixels])


def _little_endian(value: tf.Tensor) -> tf.Tensor:
    return tf.strings.reduce_join(tf.gather(BYTES, value // tf.constant([1, 2**8, 2**16, 2**24]) % 256))
