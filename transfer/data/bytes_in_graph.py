"""Reading numbers out of file headers with TensorFlow ops, so that an exported graph can do it as well.

All functions take `data`, an uint8 vector, and positions as int32 scalars; positions outside the vector read as its last
byte, so that damaged files give wrong numbers (which the callers check) and never an out-of-range error.
"""

import tensorflow as tf

BYTES = [bytes([value]) for value in range(256)]
"""Strings of one byte, by value: to write a number into a string."""


def head(image_bytes: tf.Tensor, length: tf.Tensor | int) -> tf.Tensor:
    """Return the first `length` bytes of a string as an uint8 vector, padded with zeros to at least 64 bytes."""
    data = tf.io.decode_raw(tf.strings.substr(image_bytes, 0, length), tf.uint8)
    return tf.pad(data, [[0, 64]])


def number(data: tf.Tensor, position: tf.Tensor | int, width: int, little: tf.Tensor | bool = True) -> tf.Tensor:
    """Return the unsigned integer of `width` bytes (1 to 4) at `position`, as int64."""
    last = tf.size(data) - 1
    indices = tf.clip_by_value(tf.convert_to_tensor(position, tf.int32) + tf.range(width), 0, last)
    values = tf.cast(tf.gather(data, indices), tf.int64)
    small_first = tf.constant([256**i for i in range(width)], tf.int64)
    weights = tf.where(tf.convert_to_tensor(little), small_first, small_first[::-1])
    return tf.reduce_sum(values * weights)


def starts_with(image_bytes: tf.Tensor, magic: bytes, position: int = 0) -> tf.Tensor:
    """Return whether the bytes at `position` are `magic`, as a bool scalar."""
    end = position + len(magic)
    long_enough = tf.strings.length(image_bytes) >= end
    return tf.cond(
        long_enough, lambda: tf.equal(tf.strings.substr(image_bytes, position, len(magic)), magic), lambda: tf.constant(False)
    )


def part(text: tf.Tensor, start: tf.Tensor | int, stop: tf.Tensor) -> tf.Tensor:
    """Return the bytes from `start` to before `stop`, as many as there are. String scalar.

    `tf.strings.substr` fails where there are none, with a message that holds the bytes, which Python cannot always decode.
    """
    start = tf.minimum(start, tf.strings.length(text))
    return tf.strings.substr(text, start, tf.maximum(stop - start, 0))
