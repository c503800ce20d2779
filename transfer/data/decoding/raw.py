"""Camera raw files (DNG, NEF, CR2, CR3, ARW, ...), developed by LibRaw (rawpy, the extra `raw`), in full and not from their preview.

White balance as the camera chose it, sRGB, brightness as LibRaw chooses it: much as the camera's own JPEG. 24 megapixels take
2.5 s on two cores.
"""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from transfer.data.decoding.formats import CONVERT, UnreadableError, UnsupportedError

_SIDEWAYS = 4  # this bit of LibRaw's `flip` exchanges rows and columns

_one = threading.Lock()  # LibRaw uses all cores for one file, and 20 bytes a pixel


def size(data: bytes) -> tuple[int, int]:
    """Return height and width of the developed image, upright, from the header.

    Raises:
        UnreadableError: if LibRaw does not know the camera's format, or the file is damaged.
    """
    with _opened(data) as raw:
        sizes = raw.sizes
        sides = int(sizes.iheight), int(sizes.iwidth)
        return sides[::-1] if sizes.flip & _SIDEWAYS else sides


def is_deep(data: bytes) -> bool:
    """Return False: the sensor's 12 or 14 bits become 8 by development, as in a camera."""
    return False


def samples(data: bytes) -> np.ndarray:
    """Return the developed image, upright: uint8 [h, w, 3].

    Raises:
        UnreadableError: if LibRaw cannot decode it, or it is damaged.
    """
    import rawpy

    with _one, _opened(data) as raw:
        # PPG takes half the time of AHD; no difference is left in an image as small as a network sees.
        return raw.postprocess(use_camera_wb=True, output_bps=8, demosaic_algorithm=rawpy.DemosaicAlgorithm.PPG)


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            yield raw
    except (rawpy.LibRawFileUnsupportedError, rawpy.LibRawNotImplementedError, rawpy.LibRawRequestForNonexistentImageError):
        raise UnsupportedError(f"unsupported format: a camera raw file that LibRaw {_version()} does not read; {CONVERT}") from None
    except rawpy.LibRawError as error:
        raise UnreadableError(f"not a whole camera raw file ({type(error).__name__})") from None


def _version() -> str:
    import rawpy

    return ".".join(map(str, rawpy.libraw_version[:2]))
