"""JPEG XL, JPEG-LS, lossless JPEG and JPEG of more than 8 bits, decoded by imagecodecs (the extra `codecs`).

Sources: ISO/IEC 18181-1, annexes A and D (headers of JPEG XL), 18181-2 (its boxes); ITU-T T.81 and T.87.
"""

from typing import Any, NamedTuple

import numpy as np

from transfer.data.decoding import headers
from transfer.data.decoding.deep import upright
from transfer.data.decoding.formats import CONVERT, UnreadableError, UnsupportedError

_JPEG = b"\xff\xd8"
_BOXES = b"\0\0\0\x0cJXL "
_HEADER = 64  # bytes of a JPEG XL codestream that hold its size, orientation and depth
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}  # width : height
_JPEG_LS = 0xF7


class _Facts(NamedTuple):
    """What the header says: sides, upright; bits of a sample (32: floating point); EXIF orientation that is still to be applied."""

    height: int
    width: int
    bits: int
    orientation: int = 1


def size(data: bytes) -> tuple[int, int]:
    """Return height and width, upright, from the header.

    Raises:
        UnreadableError: if the header is damaged.
    """
    facts = _facts(data)
    return facts.height, facts.width


def is_deep(data: bytes) -> bool:
    """Return whether samples have more than 8 bits; see `size`."""
    return _facts(data).bits > 8


def samples(data: bytes) -> np.ndarray:
    """Return the image, upright: uint8, uint16 or float (0 to 1), [h, w] or [h, w, 3]; alpha is composited on white.

    Samples of 9 to 15 bits are spread over all 16. Of an animation, the first frame is returned.

    Raises:
        UnreadableError: if it is damaged, or has the four channels of CMYK.
    """
    facts = _facts(data)
    image = of_jpeg(data) if data.startswith(_JPEG) else _decoded("jpegxl_decode", data, index=0)
    if image.ndim == 3 and data.startswith(_JPEG) and image.shape[2] not in (1, 3):
        raise UnsupportedError(f"unsupported format: a JPEG of {image.shape[2]} channels of this kind; {CONVERT}")
    if 8 < facts.bits < 16:
        image = spread(image, facts.bits)
    return upright(_composited(image), facts.orientation)


def of_jpeg(data: bytes) -> np.ndarray:
    """Return the samples of a JPEG of any kind as they are stored: uint8 or uint16 [h, w] or [h, w, c].

    Raises:
        UnreadableError: if it is damaged.
    """
    frame = headers.jpeg_frame(data)
    if frame is None or b"\xff\xd9" not in data[-1024:]:  # the end of the image: what is cut would be decoded as grey
        raise UnreadableError("not a whole JPEG")
    return _decoded("jpegls_decode" if frame.marker == _JPEG_LS else "jpeg_decode", data)


def spread(image: np.ndarray, bits: int) -> np.ndarray:
    """Spread samples of `bits` bits over the range of uint16."""
    most = 2**bits - 1
    return ((np.minimum(image, most).astype(np.uint32) * 65535 + most // 2) // most).astype(np.uint16)


def _decoded(decoder: str, data: bytes, **settings: Any) -> np.ndarray:
    import imagecodecs

    try:
        return getattr(imagecodecs, decoder)(data, **settings)
    except Exception as error:  # each codec has an error of its own
        raise UnreadableError(f"could not be decoded ({type(error).__name__})") from None


def _composited(image: np.ndarray) -> np.ndarray:
    if image.ndim == 2:
        return image
    channels = image.shape[2]
    if channels in (2, 4):
        white = 1.0 if image.dtype.kind == "f" else float(np.iinfo(image.dtype).max)
        alpha = image[:, :, -1:].astype(np.float32) / white
        mixed = white - (white - image[:, :, :-1].astype(np.float32)) * alpha
        image = mixed.astype(image.dtype) if image.dtype.kind == "f" else np.rint(mixed).astype(image.dtype)
    return image[:, :, 0] if channels < 3 else image[:, :, :3]


def _facts(data: bytes) -> _Facts:
    if not data.startswith(_JPEG):
        return _jpeg_xl(_Bits(_codestream(data)))
    frame = headers.jpeg_frame(data)
    if frame is None or not frame.width or not frame.height:
        raise UnreadableError("its header does not say how large it is")
    return _sides_upright(frame.height, frame.width, frame.precision, frame.orientation)._replace(orientation=frame.orientation)


def _sides_upright(height: int, width: int, bits: int, orientation: int) -> _Facts:
    return _Facts(*((width, height) if orientation >= 5 else (height, width)), bits)


def _codestream(data: bytes) -> bytes:
    """Return the first bytes of the codestream of a JPEG XL, after its signature."""
    found, position = (b"", 12) if data.startswith(_BOXES) else (data[:_HEADER], len(data))
    while position + 8 <= len(data) and len(found) < _HEADER:
        length, start = int.from_bytes(data[position : position + 4], "big"), position + 8
        kind = data[position + 4 : start]
        if length == 1:
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = position + length if length else len(data)
        if end < start:
            break
        if kind in (b"jxlc", b"jxlp"):  # whole, and in parts with a number before each
            found += data[start + 4 * (kind == b"jxlp") : min(end, start + 4 + _HEADER)]
        position = end
    if not found.startswith(b"\xff\x0a"):
        raise UnreadableError("not a whole JPEG XL")
    return found[2:_HEADER]


class _Bits:
    """Reads the numbers of a JPEG XL header, the lowest bit first."""

    def __init__(self, data: bytes) -> None:
        self._rest, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """Return the number in the next bits."""
        self._left -= count
        if self._left < 0:
            raise UnreadableError("not a whole JPEG XL")
        value = self._rest & ((1 << count) - 1)
        self._rest >>= count
        return value

    def one_of(self, *choices: tuple[int, int]) -> int:
        """Return a number coded as one of four pairs (offset, bits)."""
        offset, bits = choices[self.take(2)]
        return offset + self.take(bits)


def _jpeg_xl(bits: _Bits) -> _Facts:
    height, width = _sides(bits)
    if bits.take(1):  # all else is the default
        return _Facts(height, width, 8)
    orientation = 1
    if bits.take(1):
        orientation = 1 + bits.take(3)
        if bits.take(1):
            _sides(bits)  # of the image as it is meant to be shown
        if bits.take(1):
            _skip_preview(bits)
        if bits.take(1):
            _skip_animation(bits)
    depth = 32 if bits.take(1) else bits.one_of((8, 0), (10, 0), (12, 0), (1, 6))
    return _sides_upright(height, width, depth, orientation)  # its decoder turns it upright


def _sides(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if small else bits.one_of((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    ratio = bits.take(3)
    return height, height * _RATIOS[ratio][0] // _RATIOS[ratio][1] if ratio else side()


def _skip_preview(bits: _Bits) -> None:
    choices = [(16, 0), (32, 0), (1, 5), (33, 9)] if bits.take(1) else [(1, 6), (65, 8), (321, 10), (1345, 12)]
    bits.one_of(*choices)
    if not bits.take(3):
        bits.one_of(*choices)


def _skip_animation(bits: _Bits) -> None:
    bits.one_of((100, 0), (1000, 0), (1, 10), (1, 30))
    bits.one_of((1, 0), (1001, 0), (1, 8), (1, 10))
    bits.one_of((0, 0), (0, 3), (0, 16), (0, 32))
    bits.take(1)
