"""EXIF orientation of a JPEG, PNG or WebP, read from its bytes and applied, with TensorFlow ops only.

Sources: CIPA DC-008 (EXIF 2.32), tag 0x0112; JPEG segments: ITU-T T.81, annex B; PNG chunk eXIf: W3C PNG, third edition, 11.3.4.5;
WebP chunk EXIF: WebP container specification, Google.
"""

import tensorflow as tf

from transfer.data.decoding import EXIF_SEARCHED, PNG_CHUNKS, RIFF_CHUNKS
from transfer.data.decoding.bytes_in_graph import head, number, part, starts_with

_ENTRIES = 64  # directory entries that are read; cameras write about a dozen
_FIELDS = [[2**8, 1, 0, 0, 0, 0, 0, 0], [0, 0, 2**8, 1, 0, 0, 0, 0], [0, 0, 0, 0, 2**24, 2**16, 2**8, 1]]


def orientation(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return the EXIF orientation, 1 to 8, of an image (string scalar), as an int64 scalar; 1 if it has none."""
    containers = [
        (starts_with(image_bytes, b"\xff\xd8\xff"), lambda: _of_jpeg(image_bytes)),
        (_mentions_exif(image_bytes), lambda: _of_png(image_bytes)),
        (starts_with(image_bytes, b"WEBPVP8X", 8), lambda: _of_webp(image_bytes)),
    ]
    return tf.case(containers, default=lambda: tf.constant(1, tf.int64))


def _of_jpeg(image_bytes: tf.Tensor) -> tf.Tensor:
    data = head(image_bytes, EXIF_SEARCHED)
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


def _mentions_exif(image_bytes: tf.Tensor) -> tf.Tensor:
    """Whether a PNG may have an eXIf chunk: its name stands near the beginning, or near the end, after the pixels.

    One search costs less than walking through the chunks, of which a large PNG has thousands.
    """
    length = tf.strings.length(image_bytes)
    tail = part(image_bytes, tf.maximum(length - EXIF_SEARCHED, EXIF_SEARCHED), length)
    there = tf.strings.regex_full_match(tf.stack([part(image_bytes, 0, EXIF_SEARCHED), tail]), rb"(?s)\C*eXIf\C*")
    return starts_with(image_bytes, b"\x89PNG\r\n\x1a\n") & tf.reduce_any(there)


def _of_png(image_bytes: tf.Tensor) -> tf.Tensor:
    return _of_chunk(image_bytes, 8, little=False, name=0x65584966, name_first=False, most=PNG_CHUNKS)


def _of_webp(image_bytes: tf.Tensor) -> tf.Tensor:
    return _of_chunk(image_bytes, 12, little=True, name=0x45584946, name_first=True, most=RIFF_CHUNKS)


def _of_chunk(image_bytes: tf.Tensor, start: int, little: bool, name: int, name_first: bool, most: int) -> tf.Tensor:
    """Return the orientation in the first chunk of this name.

    Args:
        image_bytes: string scalar.
        start: position of the first chunk.
        little: whether lengths are stored with the lowest byte first.
        name: of the wanted chunk, as a big-endian number.
        name_first: the name stands before the length and chunks have an even length (RIFF), or after it and a checksum follows (PNG).
        most: chunks that are looked at.
    """
    data = head(image_bytes, tf.strings.length(image_bytes))
    end = tf.size(data) - 64

    def is_wanted(position: tf.Tensor) -> tf.Tensor:
        return number(data, position + (0 if name_first else 4), 4, False) == name

    def following(position: tf.Tensor) -> tuple[tf.Tensor]:
        length = tf.cast(tf.minimum(number(data, position + (4 if name_first else 0), 4, little), 2**30), tf.int32)
        after = position + 8 + length + (length % 2 if name_first else 4)
        return (tf.minimum(after, end),)

    (chunk,) = tf.while_loop(
        lambda position: (position + 8 < end) & ~is_wanted(position), following, (tf.constant(start),), maximum_iterations=most
    )
    prefix = tf.where(number(data, chunk + 8, 4, False) == 0x45786966, 6, 0)  # some programs keep the "Exif" of JPEG
    return tf.cond((chunk + 8 < end) & is_wanted(chunk), lambda: _from_tiff(data, chunk + 8 + prefix), lambda: tf.constant(1, tf.int64))


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
