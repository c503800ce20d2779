"""Images that TensorFlow cannot decode (TIFF, HEIC, AVIF, unusual BMP, ...), converted to PNG by Pillow, or by a reader of its own
(camera raw, DICOM, JPEG XL, ...: `readers.py`).

The PNG is kept in the user's cache folder under the digest of the original; the original is never changed. It ends with its
checksum, which decoders do not see; a damaged one is made again.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps

from transfer.data.decoding import DECODER_VERSION, deep, opening, tiff
from transfer.data.decoding.formats import UnreadableError, UnsupportedError
from transfer.data.decoding.opening import opened
from transfer.data.decoding.readers import reader_of
from transfer.data.decoding.to_8_bits import DEEP_TYPES, Range, range_text
from transfer.system.files import write_bytes
from transfer.system.home import cache_home
from transfer.system.sealed import is_whole, with_checksum

DECODED_BY_TENSORFLOW = frozenset({"JPEG", "MPO", "PNG", "GIF", "BMP", "WEBP"})
"""Pillow's names of the formats that `decode.py` reads; MPO is a JPEG followed by more images."""


def needs_transcoding(image: Image.Image, data: bytes) -> bool:
    """Return whether `decode.py` cannot decode these bytes."""
    if image.format == "BMP":
        header, bits, compression = (int.from_bytes(data[a:b], "little") for a, b in ((14, 18), (28, 30), (30, 34)))
        return not (header >= 40 and ((compression == 0 and bits in (8, 24, 32)) or (compression == 3 and bits == 32)))
    return image.format not in DECODED_BY_TENSORFLOW


def to_png(data: bytes, value_range: Range | None = None) -> bytes:
    """Return the first frame of an image, upright, as a PNG, RGB or RGBA of 8 bits.

    Args:
        data: an encoded image.
        value_range: of samples of more than 8 bits; see `to_8_bits`.

    Raises:
        UnreadableError: if it cannot be decoded.
    """
    if reader := reader_of(data):
        return _encoded(deep.to_image(deep.Deep(reader.samples(data)), value_range))
    try:
        found = deep_of(data)
        return _encoded(deep.to_image(found, value_range)) if found is not None else _with_pillow(data)
    except UnsupportedError as error:
        if value_range is not None:
            raise
        try:
            return _with_pillow(data)  # of 16 bits of each colour it keeps the upper 8, which is what is wanted without a range
        except UnreadableError:
            raise error from None


def _with_pillow(data: bytes) -> bytes:
    with opened(data) as image, _decoding(image):
        ImageOps.exif_transpose(image, in_place=True)  # a copy would be as large as the image
        return _encoded(image)


def deep_of(data: bytes) -> deep.Deep | None:
    """Return the samples of an image of more than 8 bits per sample, other than a PNG; None of an ordinary image.

    Raises:
        UnsupportedError: if its samples cannot be read rightly.
        UnreadableError: if it cannot be decoded.
    """
    if reader := reader_of(data):
        samples = reader.samples(data)
        return deep.Deep(samples) if samples.dtype.name in DEEP_TYPES else None
    layout = tiff_layout(data)
    if layout is not None:
        try:
            return deep.of_tiff(data, layout)
        except tiff.UnsupportedTiffError as error:
            raise UnsupportedError(f"unsupported format: {error}") from None
        except Exception as error:  # of damaged files
            raise UnreadableError(f"TIFF could not be decoded ({error})") from None
    with opened(data) as image:
        if deep.sample_type(image) == "uint8":
            return None
        with _decoding(image):
            return deep.of_other(image)


@contextmanager
def _decoding(image: Image.Image) -> Iterator[None]:
    """Decode the pixels of an opened image, of any size.

    Raises:
        UnreadableError: if that, or what is done in the block, fails.
    """
    try:
        opening.load(image)
        yield
    except Exception as error:
        raise UnreadableError(f"{image.format} could not be decoded ({type(error).__name__})") from None


def tiff_layout(data: bytes) -> tiff.Layout | None:
    """Return `tiff.layout`.

    Raises:
        UnsupportedError: if there are samples of a type or number that nothing here reads.
    """
    try:
        return tiff.layout(data)
    except tiff.UnsupportedTiffError as error:
        raise UnsupportedError(f"unsupported format: {error}") from None


def _encoded(image: Image.Image) -> bytes:
    mode = "RGBA" if image.has_transparency_data else "RGB"
    buffer = io.BytesIO()
    (image if image.mode == mode else image.convert(mode)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def transcoded_path(digest: str, value_range: Range | None = None) -> Path:
    """Return the path of the PNG that this version of the decoder makes of the image with this digest, with this value range."""
    ending = "" if value_range is None else f" {range_text(value_range)}".replace(" ", "-")
    return cache_home() / "transcoded" / f"v{DECODER_VERSION}" / digest[:2] / f"{digest}{ending}.png"


def transcode(data: bytes, digest: str, value_range: Range | None = None) -> Path:
    """Write the PNG of an image into the cache if it is not there, or is damaged; return its path."""
    path = transcoded_path(digest, value_range)
    if not is_whole(path):
        write_bytes(path, with_checksum(to_png(data, value_range)))
    return path
