"""Numbers and strings read from file headers with TensorFlow ops, so that an exported graph can do it too.

`data` is a uint8 vector; positions are int32 scalars. A position outside the vector reads its last byte: damaged files give
wrong numbers, which the callers check, but never an out-of-range error.
"""

import functools
from typing import Any

import tensorflow as tf

BYTES = [bytes([value]) for value in range(256)]
"""Strings of one byte, by value: for writing a number into a string."""


def head(image_bytes: tf.Tensor, length: tf.Tensor | int) -> tf.Tensor:
    """Return the first `length` bytes of a string as a uint8 vector, padded with zeros to at least 64 bytes."""
    data = tf.io.decode_raw(tf.strings.substr(image_bytes, 0, length), tf.uint8)
    return tf.pad(data, [[0, 64]])


def number(data: tf.Tensor, position: tf.Tensor | int, width: int, little: tf.Tensor | bool = True) -> tf.Tensor:
    """Return the unsigned integer of `width` bytes (1 to 4) at `position`, as int64."""
    return _number(width)(data, position, little)


@functools.cache
def _number(width: int) -> Any:
    """Return a function that is traced once and is a single node in each caller: headers hold many numbers."""

    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec([None], tf.uint8), tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.bool)]
    )
    def number_of(data: tf.Tensor, position: tf.Tensor, little: tf.Tensor) -> tf.Tensor:
        indices = tf.clip_by_value(position + tf.range(width), 0, tf.size(data) - 1)
        values = tf.cast(tf.gather(data, indices), tf.int64)
        small_first = [256**i for i in range(width)]
        return tf.reduce_sum(values * tf.where(little, tf.constant(small_first, tf.int64), tf.constant(small_first[::-1], tf.int64)))

    return number_of


def starts_with(image_bytes: tf.Tensor, magic: bytes, position: int = 0) -> tf.Tensor:
    """Return whether the bytes at `position` are `magic`, as a bool scalar."""
    end = position + len(magic)
    long_enough = tf.strings.length(image_bytes) >= end
    return tf.cond(long_enough, lambda: tf.equal(tf.strings.substr(image_bytes, position, len(magic)), magic), lambda: tf.constant(False))


def part(text: tf.Tensor, start: tf.Tensor | int, stop: tf.Tensor | int) -> tf.Tensor:
    """Return the bytes from `start` to before `stop`, possibly fewer or none. String scalar.

    If there are none, `tf.strings.substr` fails with a message that holds the bytes, which Python cannot always decode.
    """
    start = tf.minimum(start, tf.strings.length(text))
    return tf.strings.substr(text, start, tf.maximum(stop - start, 0))
