"""Deep images, those of more than 8 bits per sample, signed or floating-point: their samples, and an 8-bit image made of them."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from transfer.data.decoding import opening, tiff
from transfer.data.decoding.to_8_bits import Range, to_8_bits, type_range


class Deep(NamedTuple):
    """The samples of a deep image.

    Attributes:
        colors: [h, w] (grey) or [h, w, 3] (RGB), upright, of one of `DEEP_TYPES`.
        alpha: [h, w], of the same type, or None.
        associated: the colours are multiplied by alpha.
        inverted: the smallest value is white.
    """

    colors: np.ndarray
    alpha: np.ndarray | None = None
    associated: bool = False
    inverted: bool = False


def sample_type(image: Image.Image) -> str:
    """Return the type of the samples of an image opened by Pillow, other than TIFF: one of `DEEP_TYPES`, or uint8."""
    if image.mode == "F":
        return "float32"
    # Only the readers of TIFF use 32 bits for anything but unsigned values of 16 bits.
    deep = image.mode.startswith("I") or (image.format == "PNG" and any(";16" in str(tile[3]) for tile in getattr(image, "tile", [])))
    return "uint16" if deep else "uint8"


def of_tiff(data: bytes, layout: tiff.Layout) -> Deep:
    """Read a TIFF.

    Raises:
        tiff.UnsupportedTiffError: if its samples cannot be read rightly.
        Exception: of any kind, if it is damaged.
    """
    try:
        samples = tiff.samples(data, layout)
    except (tiff.UnsupportedTiffError, ValueError):
        # Pillow knows more kinds of compression, and samples of 12 bits, but only of grey images.
        if layout.channels > 1 or layout.dtype in ("float16", "float64"):
            raise
        with opening.opened(data) as image:
            opening.load(image)
            samples = np.asarray(image).copy()
        if samples.dtype != layout.dtype:
            same_width = samples.dtype.itemsize == np.dtype(layout.dtype).itemsize
            samples = samples.view(layout.dtype) if same_width else samples.astype(layout.dtype)
    samples = upright(samples, layout.orientation)
    if samples.ndim == 2:
        return Deep(samples, inverted=layout.inverted)
    colors = samples[..., :3] if layout.channels >= 3 else samples[..., 0]
    alpha = samples[..., -1] if layout.alpha else None
    return Deep(colors, alpha, layout.alpha == "associated", layout.inverted)


def of_other(image: Image.Image) -> Deep:
    """Read an image of one deep channel, opened and loaded by Pillow."""
    ImageOps.exif_transpose(image, in_place=True)
    samples = np.asarray(image)
    return Deep(samples if samples.dtype == sample_type(image) else np.clip(samples, *type_range("uint16")).astype(np.uint16))


def to_image(deep: Deep, value_range: Range | None) -> Image.Image:
    """Return an 8-bit image: L, LA, RGB or RGBA. Alpha ranges over its whole type."""
    colors = to_8_bits(deep.colors, value_range)
    colors = 255 - colors if deep.inverted else colors
    if deep.alpha is None:
        return Image.fromarray(colors)
    alpha = to_8_bits(deep.alpha, None)[..., np.newaxis]
    colors = colors if colors.ndim == 3 else colors[..., np.newaxis]
    if deep.associated:
        colors = np.minimum(np.rint(colors * (255 / np.maximum(alpha, 1))), 255).astype(np.uint8)
    return Image.fromarray(np.concatenate([colors, alpha], -1))


def upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Turn samples [h, w, ...] with an EXIF orientation, 1 to 8, upright."""
    if orientation >= 5:
        samples = np.swapaxes(samples, 0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples[::-1] if orientation in (3, 4, 7, 8) else samples
