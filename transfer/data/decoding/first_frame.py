"""The first frame of a GIF or an animated WebP, cut out of the bytes as a still image, before TensorFlow decodes it.

TensorFlow 2.21 allocates all frames of a GIF to return the first, paints transparent pixels black without an alpha channel,
and clips a first frame that is smaller than its canvas. So a GIF of the first frame alone is made, its transparent colour
turned white, and `on_canvas` puts the decoded frame where it belongs. Asked for the first frame of an animated WebP,
TensorFlow writes past its buffer; asked for all frames, it allocates them all. There the still image inside the first frame
is cut out.
Sources: GIF89a specification, W3C, 1990, sections 15 to 24; WebP container specification, Google, sections on the RIFF
header, VP8X and ANMF.
"""

from typing import NamedTuple

import tensorflow as tf

from transfer.data.decoding.bytes_in_graph import BYTES, head, number, part

_ANMF = 0x414E4D46
_SEARCHED = 1 << 20  # colour profile and other chunks before the first frame


class Frame(NamedTuple):
    """A still GIF (string scalar), and the place of its image on the canvas, in pixels (int64 scalars)."""

    image_bytes: tf.Tensor
    top: tf.Tensor
    left: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    canvas_height: tf.Tensor
    canvas_width: tf.Tensor


def first_gif_frame(image_bytes: tf.Tensor) -> Frame:
    """Cut the first frame out of a GIF, with white for transparent pixels.

    Raises:
        tf.errors.InvalidArgumentError: if there is none.
    """
    data = head(image_bytes, tf.strings.length(image_bytes))
    end = tf.size(data) - 64
    packed = number(data, 10, 1)
    table_size = tf.where(packed >= 128, 3 * 2 ** (1 + packed % 8), 0)

    def is_extension(position: tf.Tensor, control: tf.Tensor) -> tf.Tensor:
        return (number(data, position, 1) == 0x21) & (position < end)

    def following(position: tf.Tensor, control: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        control = tf.where(number(data, position + 1, 1) == 0xF9, position, control)
        return _after_blocks(data, position + 2), control

    start = (13 + tf.cast(table_size, tf.int32), tf.constant(-1))
    image, control = tf.while_loop(is_extension, following, start, maximum_iterations=1024)
    found = tf.debugging.Assert((number(data, image, 1) == 0x2C) & (image < end), ["The GIF has no image."])
    with tf.control_dependencies([found] if found is not None else []):
        left, top, width, height = (number(data, image + offset, 2) for offset in (1, 3, 5, 7))
    transparent = (control >= 0) & (number(data, control + 3, 1) % 2 == 1)
    image_bytes = tf.cond(transparent, lambda: _transparent_as_white(image_bytes, data, control, image, packed), lambda: image_bytes)
    canvas_width = tf.maximum(number(data, 6, 2), left + width)
    canvas_height = tf.maximum(number(data, 8, 2), top + height)
    return Frame(_alone(image_bytes, data, image), top, left, height, width, canvas_height, canvas_width)


def on_canvas(pixels: tf.Tensor, frame: Frame) -> tf.Tensor:
    """Put the decoded frame, uint8 [height, width, 3], on its white canvas."""
    below = frame.canvas_height - frame.top - frame.height
    right = frame.canvas_width - frame.left - frame.width
    around = tf.reshape(tf.stack([frame.top, below, frame.left, right, 0, 0]), [3, 2])
    return tf.pad(pixels, around, constant_values=tf.constant(255, tf.uint8))


def _after_blocks(data: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Return the position after a chain of sub-blocks and its terminator."""
    end = tf.size(data) - 64
    # Nearly all sub-blocks have 255 bytes: those are skipped at once.
    shorter = tf.concat([data[tf.minimum(position, end) : end : 256] != 255, [True]], 0)
    position += 256 * tf.argmax(tf.cast(shorter, tf.int32), output_type=tf.int32)
    (last,) = tf.while_loop(
        lambda block: (number(data, block, 1) > 0) & (block < end),
        lambda block: (block + 1 + tf.cast(number(data, block, 1), tf.int32),),
        (position,),
    )
    return last + 1


def _alone(image_bytes: tf.Tensor, data: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Return a GIF that ends after the image at this position, on a canvas of its own size."""
    local = number(data, image + 9, 1)
    table_size = tf.where(local >= 128, 3 * 2 ** (1 + local % 8), 0)
    after = _after_blocks(data, image + 11 + tf.cast(table_size, tf.int32))
    sides = part(image_bytes, image + 5, image + 9)
    before, pixels = part(image_bytes, 10, image), part(image_bytes, image + 9, after)
    return tf.strings.join([b"GIF89a", sides, before, b",\0\0\0\0", sides, pixels, b";"])


def _transparent_as_white(image_bytes: tf.Tensor, data: tf.Tensor, control: tf.Tensor, image: tf.Tensor, packed: tf.Tensor) -> tf.Tensor:
    """Make the transparent entry of the colour table white and clear the transparency flag."""
    local = number(data, image + 9, 1)
    table = tf.where(local >= 128, image + 10, 13)
    size = 2 ** (1 + tf.where(local >= 128, local, packed) % 8)
    index = number(data, control + 6, 1)
    entry = table + 3 * tf.cast(tf.minimum(index, size - 1), tf.int32)
    flags = tf.gather(BYTES, number(data, control + 3, 1) - 1)
    opaque = _spliced(image_bytes, control + 3, flags)
    return tf.cond(index < size, lambda: _spliced(opaque, entry, tf.constant(b"\xff\xff\xff")), lambda: opaque)


def _spliced(text: tf.Tensor, position: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
    after = position + tf.strings.length(new)
    return tf.strings.join([part(text, 0, position), new, part(text, after, tf.strings.length(text))])


def _is_animated(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return whether a WebP string scalar has the animation flag. Bool scalar."""
    data = head(image_bytes, 64)
    return (number(data, 12, 4, False) == 0x56503858) & (number(data, 20, 1) // 2 % 2 == 1)


def still_webp(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return a still WebP of the first frame of an animated one; any other WebP unchanged. String scalar to string scalar.

    A first frame smaller than its canvas gives an image of the frame's size.

    Raises:
        tf.errors.InvalidArgumentError: if an animated file has no frame.
    """
    return tf.cond(_is_animated(image_bytes), lambda: _first_webp_frame(image_bytes), lambda: image_bytes)


def _first_webp_frame(image_bytes: tf.Tensor) -> tf.Tensor:
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
