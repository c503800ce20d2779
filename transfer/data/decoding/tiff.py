"""TIFF files of more than 8 bits per sample, signed or floating-point, read with their sign and width by tifffile.

Pillow knows no floating-point colours, no more than 8 bits of each colour, and no signed or unsigned type from the other.
Source: TIFF 6.0, Adobe, 1992; sections on PhotometricInterpretation, ExtraSamples, SampleFormat.
"""

import io
import logging
import math
import zlib
from typing import Any, NamedTuple

import numpy as np

from transfer.data.decoding.to_8_bits import DEEP_TYPES

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_NOT_COMPRESSED, _PACKBITS, _DEFLATE = 1, 32773, (8, 32946)
_ASSOCIATED, _STRAIGHT = 1, 2  # kinds of alpha: colours multiplied by it, or not
_PADDING = 1 << 24  # bytes by which a tile may exceed a small image
_AXES = {"YX": (0, 1), "YXS": (0, 1, 2), "SYX": (1, 2, 0)}


class UnsupportedTiffError(Exception):
    """A TIFF whose samples cannot be read rightly; the text says what they are."""


class Layout(NamedTuple):
    """What the samples of a TIFF are.

    Attributes:
        width, height: pixels, as stored.
        dtype: one of `DEEP_TYPES`.
        channels: colours, and alpha if there is one.
        alpha: `associated`, `straight`, or empty.
        inverted: the smallest value is white.
        orientation: of EXIF, 1 to 8.
    """

    width: int
    height: int
    dtype: str
    channels: int
    alpha: str
    inverted: bool
    orientation: int


def is_tiff(data: bytes) -> bool:
    """Return whether a file begins like a TIFF."""
    return data[:4] in _MAGIC


def layout(data: bytes) -> Layout | None:
    """Return the layout of the first page; None if it is no TIFF, or one of unsigned samples of 8 bits or fewer, or of other colours.

    Raises:
        UnsupportedTiffError: if there are samples of a type or number that nothing here reads.
    """
    page = _first_page(data)
    return _layout(page) if page is not None else None


def samples(data: bytes, found: Layout) -> np.ndarray:
    """Return the samples of a file with this layout, as stored: [h, w] or [h, w, channels].

    Raises:
        UnsupportedTiffError: if they are compressed in a way that is not read here.
        ValueError: if they are damaged.
    """
    page = _first_page(data)
    if page.compression not in (_NOT_COMPRESSED, _PACKBITS, *_DEFLATE):
        raise UnsupportedTiffError(
            f"TIFF of {found.channels} x {found.dtype} samples, compressed by {page.compression.name}: save it uncompressed or with Deflate"
        )
    if page.compression in _DEFLATE:
        _refuse_bombs(data, page)
    try:
        array = page.asarray(maxworkers=1)
    except Exception as error:  # tifffile raises all kinds of errors on damaged files
        raise ValueError(type(error).__name__) from None
    array = np.moveaxis(array, _AXES[page.axes], range(array.ndim))
    return array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array


def _first_page(data: bytes) -> Any:
    if not is_tiff(data):
        return None
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # it logs what it finds odd in a file
    try:
        return tifffile.TiffFile(io.BytesIO(data)).pages[0]
    except Exception:  # tifffile raises all kinds of errors on damaged files; Pillow has the last word
        return None


def _layout(page: Any) -> Layout | None:
    if page.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB) or page.dtype is None:
        return None
    dtype = page.dtype.name
    if dtype in ("bool", "uint8"):
        return None
    words = f"TIFF of {page.samplesperpixel} x {dtype} samples"
    if dtype not in DEEP_TYPES:
        raise UnsupportedTiffError(f"{words}: save it as float32, or as integers of at most 32 bits")
    colors = 3 if page.samplesperpixel >= 3 else 1
    if page.axes not in _AXES or page.samplesperpixel > colors + 1:
        raise UnsupportedTiffError(f"{words}: save its channels as images of their own, grey or RGB")
    extra = page.extrasamples[0] if page.extrasamples and page.samplesperpixel > colors else None
    alpha = {_ASSOCIATED: "associated", _STRAIGHT: "straight", None: ""}.get(extra, "")
    turned = page.tags.get(274)
    orientation = turned.value if turned is not None and turned.value in range(1, 9) else 1
    inverted = page.photometric == _WHITE_IS_ZERO
    return Layout(page.imagewidth, page.imagelength, dtype, page.samplesperpixel, alpha, inverted, int(orientation))


def _refuse_bombs(data: bytes, page: Any) -> None:
    """Raise ValueError if a compressed part holds more than a part of this image can: tifffile would allocate it."""
    most = math.prod(page.chunks) * page.dtype.itemsize
    if most > page.nbytes + _PADDING:
        raise ValueError("its tiles are larger than the image")
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        try:
            if len(zlib.decompressobj().decompress(data[start : start + length], most + 1)) > most:
                raise ValueError("a part is larger than the image")
        except zlib.error as error:
            raise ValueError(str(error)) from None
