"""Whether bytes are an image that the model can be given, judged by the header before any pixel is allocated."""

from typing import NamedTuple

from transfer.data.decoding import formats, headers
from transfer.data.decoding.examination import described
from transfer.data.decoding.formats import UnreadableError
from transfer.data.decoding.to_8_bits import Range
from transfer.data.decoding.transcode import to_png
from transfer.serving.refusals import ImageError

DAMAGED = "damaged: truncated or broken"

_SCANS, _PIXELS_OF_SCANS = 1000, 2 * 10**9
"""Most scans of a JPEG, and most pixels of all of them: programs write about ten scans."""

_READ_FROM_THE_FRONT = (b"\xff\xd8", b"\x89PNG", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"PF")
_HEADER_BYTES = 2 * 10**6
"""What Pillow is given of such a file: it walks over padding and comments byte by byte."""


class Admitted(NamedTuple):
    """An image that the model's decoder can read, and the number of its pixels."""

    data: bytes
    pixels: int


def ordinary(data: bytes, max_megapixels: float) -> Admitted | None:
    """Admit an ordinary JPEG or PNG, in microseconds; None if Pillow must open it.

    Raises:
        ImageError: if it has too many pixels, or too many scans.
    """
    header = headers.read(data)
    if header is None or not header.sure:
        return None
    return Admitted(data, _with_few_scans(data, _allowed(header.width, header.height, max_megapixels)))


def unusual(data: bytes, max_megapixels: float, value_range: Range | None) -> Admitted:
    """Admit any of the user's own images; what TensorFlow cannot decode (TIFF, HEIC, camera raw) becomes PNG.

    Args:
        data: an encoded image.
        max_megapixels: larger images are refused.
        value_range: that of the model, for images of more than 8 bits per sample.

    Raises:
        ImageError: if it is not an image, is damaged, or has too many pixels.
    """
    pixels, transcodes = examined(data, max_megapixels)
    return Admitted(transcoded(data, value_range) if transcodes else data, pixels)


def uploaded(data: bytes, max_megapixels: float) -> tuple[int, bool]:
    """Return `examined` of an image from the network: not of the formats that need an extra.

    Their parsers are large and were not made for hostile bytes; who sends such a file is told its format.

    Raises:
        ImageError: if it is not an image, has too many pixels, or is of such a format.
    """
    if format := formats.recognised(data):
        raise ImageError(formats.refusal(format, installable=False))
    head = data[:_HEADER_BYTES] if data.startswith(_READ_FROM_THE_FRONT) else data
    pixels, transcodes = examined(head, max_megapixels)
    return _with_few_scans(data, pixels), transcodes


def examined(data: bytes, max_megapixels: float) -> tuple[int, bool]:
    """Return the number of pixels of any image that can be read, and whether it needs transcoding for TensorFlow.

    Raises:
        ImageError: if it is not an image, or has too many pixels.
    """
    if not data:
        raise ImageError("not an image: empty")
    try:
        header = described(data)
        return _allowed(header.width, header.height, max_megapixels), header.transcoded
    except UnreadableError as error:
        raise ImageError(str(error)) from None


def transcoded(data: bytes, value_range: Range | None) -> bytes:
    """Return an image as PNG.

    Raises:
        ImageError: if it cannot be decoded.
    """
    try:
        return to_png(data, value_range)
    except UnreadableError as error:
        raise ImageError(str(error)) from None


def _with_few_scans(data: bytes, pixels: int) -> int:
    """Return the number of pixels of an image, unless it is a JPEG that takes minutes: each scan of 50 bytes goes over all pixels."""
    scans = data.count(b"\xff\xda") if data.startswith(b"\xff\xd8") else 0
    if scans * pixels > _PIXELS_OF_SCANS or scans > _SCANS:
        raise ImageError(f"has {scans:,} scans of {pixels:,} pixels: save it again as an ordinary JPEG")
    return pixels


def _allowed(width: int, height: int, max_megapixels: float) -> int:
    pixels = width * height
    if pixels > max_megapixels * 1e6:
        raise ImageError(f"too large: {pixels / 1e6:.0f} megapixels, the limit is {max_megapixels:g}")
    return pixels
