"""Pixels of any size -> a square RGB image, composited on white, in bounded memory."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_STRIP = 1 << 20  # pixels turned into floating point at a time


def out_of_line(function: Any) -> Any:
    """Compile a function that is called rather than copied into the graph around it; outside of a graph it is not compiled.

    TensorFlow visits every node of a branch that is not taken; a branch that is one call costs nothing then.
    """
    compiled = tf.function(function, autograph=False, experimental_attributes={"_noinline": True})

    @functools.wraps(function)
    def called(*arguments: Any) -> Any:
        return (function if tf.executing_eagerly() else compiled)(*arguments)

    return called


MODES = ("stretch", "pad", "crop")
"""How an image becomes square: `stretch` (both sides to the size), `pad` (the longer side, white around), `crop` (the shorter, centre)."""


def to_square(
    pixels: tf.Tensor, size: int | tf.Tensor, resize: str | tf.Tensor, turned: Callable[[tf.Tensor], tf.Tensor] = lambda image: image
) -> tf.Tensor:
    """Composite on white and resize.

    An image at least twice as large as the result is first reduced by whole factors (each pixel the mean of a block), in
    strips of rows, so that a 100-megapixel drawing never exists in floating point. The remaining factor, under two, is
    bilinear interpolation. The result is rounded to whole numbers, and so can be stored as 8 bits per channel without loss.

    Args:
        pixels: uint8 [h, w, c], c of 3 (RGB) or 4 (RGBA, not premultiplied).
        size: side of the result in pixels; may be a tensor, int32 scalar.
        resize: one of `MODES`, or its position as a tensor, int32 scalar.
        turned: turns the resized image upright before it is padded or cropped, so that an odd row is always on the same side.

    Returns:
        uint8 [size, size, 3].
    """
    height, width = _resized_shape(tf.shape(pixels)[:2], size, resize)
    image = tf.image.resize(_composited(pixels, height, width), tf.stack([height, width]))
    image = turned(tf.cast(image + 0.5, tf.uint8))  # means and interpolations of 0..255 stay in 0..255
    if isinstance(resize, str):
        image = image if resize == "stretch" else _centred(image, size)
    else:
        image = tf.cond(resize == MODES.index("stretch"), lambda: image, lambda: _centred(image, size))
    side = size if isinstance(size, int) else None
    return tf.ensure_shape(image, [side, side, 3])


def _centred(image: tf.Tensor, size: int | tf.Tensor) -> tf.Tensor:
    """Cut off what an image [h, w, 3] has too much, and add white where it has too little."""
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    top, left = tf.maximum(height - size, 0) // 2, tf.maximum(width - size, 0) // 2
    above, before = tf.maximum(size - height, 0) // 2, tf.maximum(size - width, 0) // 2
    below, behind = tf.maximum(size - height - above, 0), tf.maximum(size - width - before, 0)
    image = image[top : top + size, left : left + size]
    return tf.pad(image, [[above, below], [before, behind], [0, 0]], constant_values=tf.constant(255, tf.uint8))


def _resized_shape(shape: tf.Tensor, size: int | tf.Tensor, resize: str | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    if isinstance(resize, str) and resize == "stretch":
        return tf.convert_to_tensor(size), tf.convert_to_tensor(size)
    mode = MODES.index(resize) if isinstance(resize, str) else resize
    sides = tf.cast(shape, tf.float64)
    reference = tf.where(mode == MODES.index("pad"), tf.reduce_max(sides), tf.reduce_min(sides))
    scaled = tf.maximum(tf.cast(tf.round(sides * (tf.cast(size, tf.float64) / reference)), tf.int32), 1)
    scaled = tf.where(mode == MODES.index("stretch"), size, scaled)
    return scaled[0], scaled[1]


def _composited(pixels: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Composite on white and reduce by whole factors to at least [height, width]. float32 [h', w', 3]."""
    row_factor = tf.maximum(tf.shape(pixels)[0] // height, 1)
    column_factor = tf.maximum(tf.shape(pixels)[1] // width, 1)
    reduces = (row_factor > 1) | (column_factor > 1)
    large = tf.size(pixels, tf.int64) > 4 * _STRIP
    shape = [None, None, 3]
    image = tf.cond(
        reduces | large,
        lambda: _in_strips(pixels, row_factor, column_factor),
        lambda: _on_white(tf.cast(pixels, tf.float32)),
    )
    return tf.ensure_shape(image, shape)


def _on_white(block: tf.Tensor) -> tf.Tensor:
    """Composite float32 [h, w, 4] on white; leave [h, w, 3] as it is."""

    def blended() -> tf.Tensor:
        # Two small matrix products: broadcasting alpha over the colours is 5 times slower.
        rgba = tf.reshape(block, [-1, 4])
        alpha = tf.matmul(rgba, tf.constant([[0.0] * 3] * 3 + [[1 / 255] * 3]))
        darkness = 255.0 - tf.matmul(rgba, tf.eye(4, 3))
        return tf.reshape(tf.maximum(255.0 - alpha * darkness, 0.0), tf.concat([tf.shape(block)[:2], [3]], 0))

    return tf.cond(tf.shape(block)[2] == 4, blended, lambda: block)


@out_of_line
def _in_strips(pixels: tf.Tensor, row_factor: tf.Tensor, column_factor: tf.Tensor) -> tf.Tensor:
    rows, columns = tf.shape(pixels)[0] // row_factor, tf.shape(pixels)[1] // column_factor
    step = tf.maximum(_STRIP // (row_factor * tf.shape(pixels)[1]), 1)
    strips = (rows + step - 1) // step

    def strip(number: tf.Tensor) -> tf.Tensor:
        first, last = number * step, tf.minimum((number + 1) * step, rows)
        block = pixels[first * row_factor : last * row_factor, : columns * column_factor]
        rgb = _on_white(tf.cast(block, tf.float32))
        by_rows = tf.reduce_mean(tf.reshape(rgb, tf.stack([last - first, row_factor, columns * column_factor * 3])), 1)
        return tf.reduce_mean(tf.reshape(by_rows, tf.stack([last - first, columns, column_factor, 3])), 2)

    array = tf.TensorArray(tf.float32, strips, infer_shape=False, element_shape=[None, None, 3])
    filled = tf.while_loop(lambda i, _: i < strips, lambda i, a: (i + 1, a.write(i, strip(i))), (0, array), parallel_iterations=1)
    return filled[1].concat()
