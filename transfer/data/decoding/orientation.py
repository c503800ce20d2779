"""EXIF orientation of a JPEG, read from its bytes and applied, with TensorFlow ops only.

Source: CIPA DC-008 (EXIF 2.32), tag 0x0112; JPEG segments as in ITU-T T.81, annex B.
"""

import tensorflow as tf

from transfer.data.decoding.bytes_in_graph import head, number

_SEARCHED = 131072  # the EXIF segment (64 KB at most) is the first or second of the file
_ENTRIES = 64  # directory entries that are read; cameras write about a dozen
_FIELDS = [[2**8, 1, 0, 0, 0, 0, 0, 0], [0, 0, 2**8, 1, 0, 0, 0, 0], [0, 0, 0, 0, 2**24, 2**16, 2**8, 1]]


def orientation(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return the EXIF orientation, 1 to 8, of a JPEG (string scalar), as an int64 scalar; 1 if there is none."""
    data = head(image_bytes, _SEARCHED)
    end = tf.size(data) - 64

    def read(position: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Return a segment's position, marker and length, and the four bytes after them."""
        segment = tf.cast(data[tf.minimum(position, end) :][:8], tf.int64)  # the zeros after the end are not a marker
        return position, *tf.unstack(tf.linalg.matvec(tf.constant(_FIELDS, tf.int64), segment))

    def goes_on(position: tf.Tensor, marker: tf.Tensor, length: tf.Tensor, name: tf.Tensor) -> tf.Tensor:
        is_segment = (marker >= 0xFFC0) & (marker != 0xFFDA) & (marker != 0xFFD9)
        return (position + 10 < end) & is_segment & ~is_exif(marker, name)

    def following(position: tf.Tensor, marker: tf.Tensor, length: tf.Tensor, name: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return read(position + 2 + tf.cast(tf.maximum(length, 2), tf.int32))

    def is_exif(marker: tf.Tensor, name: tf.Tensor) -> tf.Tensor:
        return (marker == 0xFFE1) & (name == 0x45786966)  # "Exif"

    position, marker, _, name = tf.while_loop(goes_on, following, read(tf.constant(2)), maximum_iterations=64, parallel_iterations=1)
    found = (position + 10 < end) & is_exif(marker, name)
    return tf.cond(found, lambda: _from_tiff(data, position + 10), lambda: tf.constant(1, tf.int64))


def _from_tiff(data: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    little = number(data, start, 2) == 0x4949
    limit = tf.cast(tf.size(data), tf.int64)
    directory = start + tf.cast(tf.minimum(number(data, start + 4, 4, little), limit), tf.int32)
    count = tf.minimum(tf.cast(number(data, directory, 2, little), tf.int32), _ENTRIES)
    entries = directory + 2 + 12 * tf.range(count)
    last = tf.size(data) - 1

    def short(positions: tf.Tensor) -> tf.Tensor:
        first = tf.cast(tf.gather(data, tf.clip_by_value(positions, 0, last)), tf.int64)
        second = tf.cast(tf.gather(data, tf.clip_by_value(positions + 1, 0, last)), tf.int64)
        return tf.where(little, first + 256 * second, 256 * first + second)

    values = tf.boolean_mask(short(entries + 8), short(entries) == 0x0112)
    value = tf.reduce_max(tf.concat([tf.constant([1], tf.int64), values[:1]], 0))
    return tf.where((value >= 1) & (value <= 8), value, 1)


def upright(image: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Turn an image [h, w, c] with EXIF orientation `value` upright."""
    image = tf.cond(value >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    mirrored = tf.reduce_any(tf.equal(value, tf.constant([2, 3, 6, 7], tf.int64)))
    flipped = tf.reduce_any(tf.equal(value, tf.constant([3, 4, 7, 8], tf.int64)))
    image = tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image)
    return tf.cond(flipped, lambda: tf.reverse(image, [0]), lambda: image)
