"""The one place that opens images with Pillow, and the formats that it may open.

Pillow knows some seventy formats. For some it starts programs (Ghostscript for PostScript, also for one inside an IPTC file), others
are stubs, archives of other files, or read by nobody. What is not listed here is not opened, whatever Pillow can do.
"""

import functools
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from transfer.data.decoding import formats
from transfer.data.decoding.formats import UnreadableError, UnsupportedError

FORMATS = (
    "BMP", "GIF", "JPEG", "PPM", "PNG", "AVIF", "DIB", "ICO", "JPEG2000", "PCX", "PSD", "SGI", "TGA", "TIFF", "WEBP",
)  # fmt: skip
"""Pillow's names of the formats that are opened, in the order in which they are tried; an MPO is opened as JPEG. Each is decoded
inside this process, from its own bytes alone."""

HEIF = "HEIF"
"""Opened too, by pillow-heif, where the container is right."""

_filters = threading.Lock()  # the warning filters and the limit belong to the whole process


@contextmanager
def without_warnings() -> Iterator[None]:
    """Discard all warnings in a block, which one thread at a time can be in."""
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@functools.cache
def _know_heif() -> None:
    """Let Pillow read HEIC and HEIF; done late, because the library is slow to load."""
    import pillow_heif

    pillow_heif.register_heif_opener()


@contextmanager
def _no_limit() -> Iterator[None]:
    """Let Pillow open and decode images of any size: the callers have a limit of their own."""
    with without_warnings():
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """Open an image's header with Pillow, without allocating its pixels and without Pillow's own size limit.

    Raises:
        UnsupportedError: if its format is not among `FORMATS`; named where it is known.
        UnreadableError: if it is no known format, or the header is damaged.
    """
    heif = data[4:8] == b"ftyp"  # the container of HEIF, AVIF and videos
    if heif:
        _know_heif()
    try:
        with _no_limit():
            image = Image.open(io.BytesIO(data), formats=(*FORMATS, HEIF) if heif else FORMATS)
    except UnidentifiedImageError:
        if format := formats.named(data):
            raise UnsupportedError(formats.refusal(format)) from None
        raise UnreadableError("not an image") from None
    except Exception as error:  # Pillow's plugins raise all kinds of errors on damaged headers
        raise UnreadableError(f"damaged header ({type(error).__name__})") from None
    with image:
        yield image


def load(image: Image.Image) -> None:
    """Decode the pixels of an opened image, of any size.

    Raises:
        Exception: of any kind, if it is damaged.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        with _no_limit():
            image.load()
    image.load()
