"""Images that TensorFlow cannot decode (TIFF, HEIC, AVIF, unusual BMP, ...), converted to PNG by Pillow.

The PNG is kept in the user's cache folder under the digest of the original; the original is never changed.
"""

import functools
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from transfer.system.files import write_bytes
from transfer.system.home import cache_home

DECODED_BY_TENSORFLOW = frozenset({"JPEG", "MPO", "PNG", "GIF", "BMP", "WEBP"})
"""Pillow's names of the formats that `decode.py` reads; MPO is a JPEG followed by more images."""

_pillow = threading.Lock()  # Pillow's size limit and the warning filters belong to the whole process


class UnreadableError(Exception):
    """A file that cannot be read as an image; the text says why."""


@functools.cache
def _know_heif() -> None:
    """Let Pillow read HEIC and HEIF; done late, because the library is slow to load."""
    import pillow_heif

    pillow_heif.register_heif_opener()


@contextmanager
def _no_limit() -> Iterator[None]:
    """Let Pillow open and decode images of any size: the callers have a limit of their own."""
    with _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """Open an image's header with Pillow, without allocating its pixels and without Pillow's own size limit.

    Raises:
        UnreadableError: if Pillow does not know the format or the header is damaged.
    """
    if data[4:8] == b"ftyp":  # the container of HEIF, AVIF and videos
        _know_heif()
    try:
        with _no_limit():
            image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise UnreadableError("not an image") from None
    except Exception as error:  # Pillow's plugins raise all kinds of errors on damaged headers
        raise UnreadableError(f"damaged header ({type(error).__name__})") from None
    with image:
        yield image


def needs_transcoding(image: Image.Image, data: bytes) -> bool:
    """Return whether `decode.py` cannot decode these bytes."""
    if image.format == "BMP":
        header, bits, compression = (int.from_bytes(data[a:b], "little") for a, b in ((14, 18), (28, 30), (30, 34)))
        return not (header >= 40 and ((compression == 0 and bits in (8, 24, 32)) or (compression == 3 and bits == 32)))
    return image.format not in DECODED_BY_TENSORFLOW


def to_png(data: bytes) -> bytes:
    """Return the first frame of an image, upright, as an RGB or RGBA PNG.

    Of more than 8 bits per sample, the upper 8 are kept, as in `decode.py`. Floating-point samples range from 0 to 1 if none is
    larger, otherwise from 0 to 255.

    Raises:
        UnreadableError: if Pillow cannot decode it.
    """
    with opened(data) as image:
        try:
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and image.width * image.height > limit:
                with _no_limit():
                    image.load()
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # a copy would be as large as the image
            upright: Image.Image = image
            alpha = upright.has_transparency_data
            if upright.mode.startswith("I"):
                upright = upright.point(lambda value: value / 256).convert("L")
            elif upright.mode == "F":
                upright = _of_floats(np.asarray(upright))
            mode = "RGBA" if alpha else "RGB"
            buffer = io.BytesIO()
            (upright if upright.mode == mode else upright.convert(mode)).save(buffer, "PNG", compress_level=1)
        except Exception as error:
            raise UnreadableError(f"{image.format} could not be decoded ({type(error).__name__})") from None
    return buffer.getvalue()


def _of_floats(samples: np.ndarray) -> Image.Image:
    samples = np.nan_to_num(samples, nan=0.0, posinf=np.inf, neginf=0.0)
    scale = 255 if samples.max(initial=0) <= 1 else 1
    return Image.fromarray(np.clip(np.rint(samples * scale), 0, 255).astype(np.uint8))


def transcoded_path(digest: str) -> Path:
    """Return the path of the PNG of the image with this digest."""
    return cache_home() / "transcoded" / digest[:2] / f"{digest}.png"


def transcode(data: bytes, digest: str) -> Path:
    """Write the PNG of an image into the cache if it is not there; return its path."""
    path = transcoded_path(digest)
    if not path.exists():
        write_bytes(path, to_png(data))
    return path
