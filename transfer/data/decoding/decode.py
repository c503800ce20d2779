"""Encoded images -> RGB, as TensorFlow ops: the one decoder of training, evaluation, prediction and the exported graph.

It reads JPEG (grey and CMYK converted to RGB; large images decoded at 1/2, 1/4 or 1/8 of their size), PNG (grey, palette, alpha,
16 bits), GIF (first frame, transparency on white), BMP (8-bit palettes and grey, 24 and 32 bits) and WebP (alpha), and applies the
EXIF orientation of JPEG, PNG and WebP. The format is recognised by the bytes, never by the file's name. Anything else raises an
error in the graph; `transcode.py` first converts to PNG what only Pillow can open. Raise `DECODER_VERSION` with any change of a
result.
"""

import tensorflow as tf

from transfer.data.decoding import first_frame
from transfer.data.decoding.bytes_in_graph import head, number, starts_with
from transfer.data.decoding.orientation import orientation, upright
from transfer.data.decoding.resize import out_of_line, to_square
from transfer.data.decoding.to_8_bits import Range, levels

_AT_ONCE = 1 << 22  # samples of 16 bits that are converted at once: as indices they take twice the memory


def decode(
    image_bytes: tf.Tensor,
    size: int | tf.Tensor,
    resize: str | tf.Tensor = "stretch",
    max_megapixels: float = 100.0,
    value_range: Range | None = None,
) -> tf.Tensor:
    """Decode one image.

    Args:
        image_bytes: string scalar, an encoded image.
        size: side of the square result in pixels; may be a tensor, int32 scalar.
        resize: `stretch`, `pad` or `crop`; may be a tensor (see `resize.to_square`).
        max_megapixels: an image with more pixels is refused before any is allocated.
        value_range: values of a PNG of 16 bits that become 0 and 255; None: its upper 8 bits are kept.

    Returns:
        uint8 [size, size, 3], RGB, 0 to 255.

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are not an image of these formats, damaged, or too large.
    """
    limit = tf.constant(round(max_megapixels * 1e6), tf.int64)
    is_jpeg = starts_with(image_bytes, b"\xff\xd8\xff")
    is_png = starts_with(image_bytes, b"\x89PNG\r\n\x1a\n")
    pixels = tf.case(
        [(is_jpeg, lambda: _jpeg(image_bytes, size, limit)), (is_png, lambda: _png(image_bytes, limit, value_range))],
        default=lambda: _other(image_bytes, limit),
    )

    def turned(image: tf.Tensor) -> tf.Tensor:
        value = _orientation(image_bytes)
        return tf.cond(value > 1, lambda: upright(image, value), lambda: image)

    return to_square(tf.ensure_shape(pixels, [None, None, None]), size, resize, turned)


def decode_batch(
    image_bytes: tf.Tensor, size: int, resize: str = "stretch", max_megapixels: float = 100.0, value_range: Range | None = None
) -> tf.Tensor:
    """Decode strings [n] of any mix of formats and sizes to float32 [n, size, size, 3], whole numbers 0 to 255; see `decode`."""
    images = tf.map_fn(
        lambda one: decode(one, size, resize, max_megapixels, value_range),
        image_bytes,
        fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8),
        parallel_iterations=4,
    )
    return tf.cast(images, tf.float32)


def _refuse_larger(height: tf.Tensor, width: tf.Tensor, limit: tf.Tensor) -> list[tf.Operation]:
    pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    check = tf.debugging.assert_less_equal(pixels, limit, message="The image has more pixels than the model accepts.")
    return [check] if check is not None else []


def _jpeg(image_bytes: tf.Tensor, size: int | tf.Tensor, limit: tf.Tensor) -> tf.Tensor:
    """Decode at the smallest of 1/1, 1/2, 1/4, 1/8 at which no side is smaller than the result."""
    shape = tf.image.extract_jpeg_shape(image_bytes)[:2]
    spare = tf.reduce_min(shape) // size
    ratio_index = tf.reduce_sum(tf.cast(spare >= tf.constant([2, 4, 8]), tf.int32))

    def at(ratio: int) -> tf.Tensor:
        # The accurate transform and the fancy upsampling are what Pillow and browsers use.
        return tf.io.decode_jpeg(image_bytes, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE", fancy_upscaling=True)

    with tf.control_dependencies(_refuse_larger(shape[0], shape[1], limit)):
        return tf.switch_case(ratio_index, [lambda ratio=ratio: at(ratio) for ratio in (1, 2, 4, 8)])


def _png(image_bytes: tf.Tensor, limit: tf.Tensor, value_range: Range | None) -> tf.Tensor:
    data = tf.cast(head(image_bytes, 25)[16:25], tf.int64)
    sides = tf.reduce_sum(tf.reshape(data[:8], [2, 4]) * tf.constant([2**24, 2**16, 2**8, 1], tf.int64), 1)

    def rgba() -> tf.Tensor:
        return tf.io.decode_png(image_bytes, channels=4)  # palettes, grey and transparent colours all become RGBA

    with tf.control_dependencies(_refuse_larger(sides[0], sides[1], limit)):
        pixels = rgba() if value_range is None else tf.cond(data[8] == 16, lambda: _in_range(image_bytes, value_range), rgba)
    return tf.cond(data[8] < 8, lambda: _alpha_of_few_bits(pixels, data[8]), lambda: pixels)


def _in_range(image_bytes: tf.Tensor, value_range: Range) -> tf.Tensor:
    """Decode a PNG of 16 bits and convert its values by the table of `to_8_bits`."""
    table, upper_bits = tf.constant(levels(value_range)), tf.constant(levels(None))

    def converted(samples: tf.Tensor) -> tf.Tensor:
        values = tf.cast(samples, tf.int32)
        return tf.concat([tf.gather(table, values[..., :3]), tf.gather(upper_bits, values[..., 3:])], -1)

    def by_rows() -> tf.Tensor:
        return tf.map_fn(converted, samples, fn_output_signature=tf.TensorSpec([None, 4], tf.uint8), parallel_iterations=1)

    samples = tf.io.decode_png(image_bytes, channels=4, dtype=tf.uint16)
    return tf.cond(tf.size(samples) > _AT_ONCE, by_rows, lambda: converted(samples))


@out_of_line
def _alpha_of_few_bits(pixels: tf.Tensor, depth: tf.Tensor) -> tf.Tensor:
    """Correct the alpha that TensorFlow gives a PNG without one: the largest value of its depth, such as 15 for 4 bits, not 255."""
    filler = tf.cast(2**depth - 1, tf.uint8)
    opaque = tf.reduce_all(pixels[:, :, 3] == filler)
    return tf.cond(opaque, lambda: _with_alpha(pixels[:, :, :3]), lambda: pixels)


@out_of_line
def _orientation(image_bytes: tf.Tensor) -> tf.Tensor:
    return orientation(image_bytes)


@out_of_line
def _other(image_bytes: tf.Tensor, limit: tf.Tensor) -> tf.Tensor:
    """The less common formats."""
    is_webp = starts_with(image_bytes, b"RIFF") & starts_with(image_bytes, b"WEBP", 8)
    is_format = tf.stack([starts_with(image_bytes, b"GIF8"), starts_with(image_bytes, b"BM"), is_webp])
    is_known = tf.debugging.Assert(tf.reduce_any(is_format), ["The bytes are not a JPEG, PNG, GIF, BMP or WebP image."])
    with tf.control_dependencies([is_known] if is_known is not None else []):
        which = tf.argmax(tf.cast(is_format, tf.int32), output_type=tf.int32)
    branches = [lambda: _gif(image_bytes, limit), lambda: _bmp(image_bytes, limit), lambda: _webp(image_bytes, limit)]
    return tf.switch_case(which, branches)


def _gif(image_bytes: tf.Tensor, limit: tf.Tensor) -> tf.Tensor:
    frame = first_frame.first_gif_frame(image_bytes)
    with tf.control_dependencies(_refuse_larger(frame.canvas_height, frame.canvas_width, limit)):
        pixels = tf.io.decode_image(frame.image_bytes, channels=3, expand_animations=False)
    return _with_alpha(first_frame.on_canvas(pixels, frame))


def _bmp(image_bytes: tf.Tensor, limit: tf.Tensor) -> tf.Tensor:
    data = head(image_bytes, 2048)
    header, bits, compression = number(data, 14, 4), number(data, 28, 2), number(data, 30, 4)
    height = tf.cast(tf.cast(number(data, 22, 4), tf.uint32), tf.int64)
    height = tf.where(height >= 2**31, 2**32 - height, height)  # negative: stored from the top
    # Older headers have another layout, and TensorFlow reads run-length coded pixels as if they were plain.
    plain = (header >= 40) & (compression == 0) & ((bits == 8) | (bits == 24) | (bits == 32))
    plain |= (header >= 40) & (compression == 3) & (bits == 32)
    supported = tf.debugging.Assert(plain, ["A BMP of this kind is not supported: save it as PNG."])
    checks = _refuse_larger(height, number(data, 18, 4), limit) + ([supported] if supported is not None else [])

    def palette() -> tf.Tensor:
        used = number(data, 46, 4)
        count = tf.where((used == 0) | (used > 256), 256, tf.cast(used, tf.int32))
        start = 14 + tf.cast(tf.minimum(header, 256), tf.int32)
        table = tf.reshape(tf.gather(data, tf.clip_by_value(start + tf.range(4 * count), 0, tf.size(data) - 1)), [-1, 4])
        indices = tf.io.decode_bmp(image_bytes, channels=0)[:, :, 0]
        return tf.gather(table[:, 2::-1], tf.minimum(tf.cast(indices, tf.int32), count - 1))

    def direct() -> tf.Tensor:
        pixels = tf.io.decode_bmp(image_bytes, channels=0)
        # The fourth byte of a plain 32-bit BMP is padding, not alpha.
        return tf.cond((bits == 32) & (compression == 3), lambda: pixels, lambda: pixels[:, :, :3])

    with tf.control_dependencies(checks):
        return _with_alpha(tf.cond(bits == 8, palette, direct))


def _webp(image_bytes: tf.Tensor, limit: tf.Tensor) -> tf.Tensor:
    image_bytes = first_frame.still_webp(image_bytes)
    data = head(image_bytes, 64)
    kind = number(data, 12, 4, False)
    lossless = number(data, 21, 4)
    widths = [number(data, 24, 3) + 1, lossless % 2**14 + 1, number(data, 26, 2) % 2**14]
    heights = [number(data, 27, 3) + 1, lossless // 2**14 % 2**14 + 1, number(data, 28, 2) % 2**14]
    which = tf.where(kind == 0x56503858, 0, tf.where(kind == 0x5650384C, 1, 2))  # VP8X, VP8L, else VP8
    checks = _refuse_larger(tf.gather(tf.stack(heights), which), tf.gather(tf.stack(widths), which), limit)
    with tf.control_dependencies(checks):
        return _with_alpha(tf.io.decode_image(image_bytes, channels=0, expand_animations=False))


def _with_alpha(pixels: tf.Tensor) -> tf.Tensor:
    """Give RGB an opaque alpha channel; leave RGBA as it is."""
    missing = 4 - tf.shape(pixels)[2]
    opaque = tf.pad(pixels, [[0, 0], [0, 0], [0, missing]], constant_values=tf.constant(255, tf.uint8))
    return tf.ensure_shape(opaque, [None, None, 4])
