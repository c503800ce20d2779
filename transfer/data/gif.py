"""Transparent GIFs on white. TensorFlow paints the transparent pixels of a GIF black and gives no alpha channel.

So the transparent entry of the colour table is made white and the transparency flag is cleared, in the bytes, before
TensorFlow decodes them. Source: GIF89a specification, W3C, 1990, sections 18 to 24.
"""

import tensorflow as tf

from transfer.data.bytes_in_graph import BYTES, head, number

_SEARCHED = 65536  # extensions before the first picture


def on_white(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return the bytes of a GIF whose first frame shows white where it was transparent. String scalar to string scalar."""
    data = head(image_bytes, _SEARCHED)
    end = tf.size(data) - 64
    packed = number(data, 10, 1)
    table_size = tf.where(packed >= 128, 3 * 2 ** (1 + packed % 8), 0)
    first = 13 + tf.cast(table_size, tf.int32)

    def is_extension(position: tf.Tensor, control: tf.Tensor) -> tf.Tensor:
        return (number(data, position, 1) == 0x21) & (position < end)

    def following(position: tf.Tensor, control: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        control = tf.where(number(data, position + 1, 1) == 0xF9, position, control)
        (after,) = tf.while_loop(
            lambda block: (number(data, block, 1) > 0) & (block < end),
            lambda block: (block + 1 + tf.cast(number(data, block, 1), tf.int32),),
            (position + 2,),
        )
        return after + 1, control

    picture, control = tf.while_loop(is_extension, following, (first, tf.constant(-1)), maximum_iterations=1024)
    transparent = (control >= 0) & (picture < end) & (number(data, control + 3, 1) % 2 == 1)
    return tf.cond(transparent, lambda: _patched(image_bytes, data, control, picture, packed), lambda: image_bytes)


def _patched(image_bytes: tf.Tensor, data: tf.Tensor, control: tf.Tensor, picture: tf.Tensor, packed: tf.Tensor) -> tf.Tensor:
    local = number(data, picture + 9, 1)
    table = tf.where(local >= 128, picture + 10, 13)
    size = 2 ** (1 + tf.where(local >= 128, local, packed) % 8)
    index = number(data, control + 6, 1)
    entry = table + 3 * tf.cast(tf.minimum(index, size - 1), tf.int32)
    flags = tf.gather(BYTES, number(data, control + 3, 1) - 1)
    opaque = _spliced(image_bytes, control + 3, flags)
    return tf.cond(index < size, lambda: _spliced(opaque, entry, tf.constant(b"\xff\xff\xff")), lambda: opaque)


def _spliced(text: tf.Tensor, position: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
    after = position + tf.strings.length(new)
    return tf.strings.join([tf.strings.substr(text, 0, position), new, tf.strings.substr(text, after, tf.strings.length(text))])
