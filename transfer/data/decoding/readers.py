"""The readers of formats that need an extra: which one reads a file, and why none does.

Each is a module with `size` (bytes -> height and width, upright, from the header), `is_deep` (bytes -> whether samples have more
than 8 bits) and `samples` (bytes -> [h, w] or [h, w, 3], upright, of their true dtype). Its library is imported with the first
such file.
"""

import importlib
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np

from transfer.data.decoding import dicom, formats, other_jpeg, raw
from transfer.data.decoding.formats import Format, UnsupportedError
from transfer.data.decoding.opening import without_warnings


class Reader(NamedTuple):
    """Reads the files of a format; all three functions raise `UnreadableError`."""

    format: Format
    size: Callable[[bytes], tuple[int, int]]
    is_deep: Callable[[bytes], bool]
    samples: Callable[[bytes], np.ndarray]


_Result = TypeVar("_Result")


def _unwarned(function: Callable[[bytes], _Result]) -> Callable[[bytes], _Result]:
    def call(data: bytes) -> _Result:
        with without_warnings():
            return function(data)

    return call


_READERS: dict[str, tuple[str, Callable[[Format], Reader]]] = {
    "raw": ("rawpy", lambda format: Reader(format, raw.size, raw.is_deep, raw.samples)),
    "codecs": ("imagecodecs", lambda format: Reader(format, other_jpeg.size, other_jpeg.is_deep, other_jpeg.samples)),
    # pydicom warns of each value that is not as the standard wants it.
    "dicom": (
        "pydicom",
        lambda format: Reader(format, _unwarned(dicom.size), _unwarned(dicom.is_deep), _unwarned(dicom.samples)),
    ),
}
"""Extra -> the library that it brings, and its reader."""


def reader_of(data: bytes) -> Reader | None:
    """Return the reader of a file; None if it is to be opened with Pillow.

    Raises:
        UnsupportedError: if it is of a format that no installed library reads.
    """
    format = formats.recognised(data)
    if format is None:
        return None
    if not format.extra:
        raise UnsupportedError(formats.refusal(format))
    library, made = _READERS[format.extra]
    try:
        importlib.import_module(library)
    except ImportError:
        raise UnsupportedError(formats.refusal(format)) from None
    return made(format)
