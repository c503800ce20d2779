"""Headers of ordinary JPEG and PNG files, read without Pillow, which takes several times as long for a small image.

Anything unusual is left to Pillow, so that both always reach the same verdict.
Sources: ITU-T T.81, annex B (JPEG); W3C PNG, third edition; WebP container specification; CIPA DC-008 (EXIF 2.32), tag 0x0112.
"""

import zlib
from struct import Struct, error
from typing import NamedTuple

from transfer.data.decoding import EXIF_SEARCHED, PNG_CHUNKS, RIFF_CHUNKS

_SEGMENT = Struct(">HH")
_FRAME = Struct(">BHHB")
_CHUNK = Struct(">I4s")
_RIFF_CHUNK = Struct("<4sI")
_IHDR = Struct(">IIBBBBB")
_NUMBER = Struct(">I")

_FRAMES = (0xFFC0, 0xFFC1, 0xFFC2)  # baseline, extended and progressive, in Huffman coding
_ANY_FRAME = {*range(0xFFC0, 0xFFD0), 0xFFF7} - {0xFFC4, 0xFFC8, 0xFFCC}
_TABLES = (0xFFC4, 0xFFDD, 0xFFFE)  # Huffman tables, restart interval, comment: nothing to check
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_LENGTHS = {b"gAMA": 4, b"pHYs": 9, b"sRGB": 1, b"cHRM": 32}
_IGNORED = (b"tIME", b"bKGD", b"sBIT", b"hIST")
_TEXT = 1_000_000  # bytes of a comment that Pillow certainly accepts


class Header(NamedTuple):
    """Format, size and traits of an image, and in `reason` why it cannot be used.

    `sure`: width and height are certain to be those that TensorFlow's decoders of JPEG and PNG will read.
    """

    format: str = ""
    width: int = 0
    height: int = 0
    traits: tuple[str, ...] = ()
    sure: bool = False
    transcoded: bool = False
    reason: str = ""


def read(data: bytes) -> Header | None:
    """Return the header of a JPEG or PNG; None if it is unusual. If it is not `sure`, ask Pillow as well."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
    except (error, IndexError, ValueError):
        pass
    return None


_MOST_SEGMENTS = 10_000
"""Segments of a JPEG, or chunks of a PNG, before the pixels: cameras and programs write at most some hundreds."""


def _jpeg(data: bytes) -> Header | None:
    """Read the segments up to the first scan."""
    position, sure, frame, orientation = 2, True, None, 0
    for _ in range(_MOST_SEGMENTS):
        marker, length = _SEGMENT.unpack_from(data, position)
        start, position = position + 4, position + 2 + length
        if length < 2 or position > len(data):
            return None
        if marker == 0xFFDB:
            sure = sure and _whole_tables(data, start, position)
        elif marker in _FRAMES:
            if frame:
                return None
            frame = _FRAME.unpack_from(data, start)
            sure = sure and length == 8 + 3 * frame[3]
        elif 0xFFE0 <= marker <= 0xFFEF:
            sure = sure and _plain_application(data, marker, start, position)
            if not orientation and marker == 0xFFE1 and data[start : start + 4] == b"Exif":
                orientation = _orientation(data, start + 6, position)
        elif marker == 0xFFDA:
            break
        elif marker not in _TABLES:
            return None
    else:
        return None
    if frame is None:
        return None
    precision, height, width, components = frame
    if precision != 8 or components not in (1, 3, 4) or not width or not height:
        return None
    traits = ("cmyk",) * (components == 4) + ("rotated",) * (orientation > 1)
    return Header("JPEG", width, height, traits, sure)


class JpegFrame(NamedTuple):
    """The frame header of a JPEG of any kind, with its marker (0xC0 to 0xCF; 0xF7: JPEG-LS) and the EXIF orientation, 1 to 8."""

    marker: int
    precision: int
    height: int
    width: int
    components: int
    orientation: int


def jpeg_frame(data: bytes) -> JpegFrame | None:
    """Return the first frame header of a JPEG or JPEG-LS; None if there is none before the pixels."""
    position, orientation = 2, 1
    try:
        while True:
            marker, length = _SEGMENT.unpack_from(data, position)
            if marker == 0xFFFF:  # a byte of padding
                position += 1
                continue
            start, position = position + 4, position + 2 + length
            if marker == 0xFFE1 and orientation == 1 and data.startswith(b"Exif", start):
                orientation = _orientation(data, start + 6, position)
            if marker in _ANY_FRAME:
                precision, height, width, components = _FRAME.unpack_from(data, start)
                return JpegFrame(marker & 0xFF, precision, height, width, components, orientation)
            if marker < 0xFFC0 or marker in (0xFFD9, 0xFFDA) or length < 2:
                return None
    except error:
        return None


def _whole_tables(data: bytes, position: int, end: int) -> bool:
    while position < end:
        position += 65 if data[position] < 16 else 129
    return position == end


def _plain_application(data: bytes, marker: int, start: int, end: int) -> bool:
    """Whether an application segment is one that Pillow is known to ignore."""
    if marker == 0xFFE0:
        return end - start >= 14 or not data.startswith(b"JFIF", start)
    return marker == 0xFFEE and (end - start >= 12 or not data.startswith(b"Adobe", start))


def _orientation(data: bytes, start: int, end: int) -> int:
    """Return the EXIF orientation, 1 to 8, in the TIFF structure at `start`; 1 if there is none. The same as `orientation.py`."""
    order = "<" if data[start : start + 2] == b"II" else ">"
    try:
        directory = start + Struct(order + "I").unpack_from(data, start + 4)[0]
        entry = Struct(order + "HHIH")
        for number in range(min(Struct(order + "H").unpack_from(data, directory)[0], 64)):
            tag, _, _, value = entry.unpack_from(data, directory + 2 + 12 * number)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except error:
        pass
    return 1


def _png(data: bytes) -> Header | None:
    """Read the chunks up to the pixels."""
    width, height, depth, color, compression, filters, interlace = _IHDR.unpack_from(data, 16)
    known = depth in _DEPTHS.get(color, ()) and not compression and not filters and interlace < 2
    if not (known and width and height and _CHUNK.unpack_from(data, 8) == (13, b"IHDR") and _checked(data, 8, 13)):
        return None
    position, sure, alpha, palette = 33, True, color >= 4, color != 3
    for _ in range(_MOST_SEGMENTS):
        length, kind = _CHUNK.unpack_from(data, position)
        if kind == b"IDAT" or not sure:
            break
        alpha |= kind == b"tRNS"
        palette |= kind == b"PLTE"
        sure = _plain_chunk(data, position, length, kind, color) and _checked(data, position, length)
        position += 12 + length
    else:
        sure = False
    traits = ("alpha",) * alpha + ("uint16",) * (depth == 16) + ("rotated",) * (orientation(data) > 1)
    return Header("PNG", width, height, traits, sure and palette)


def orientation(data: bytes) -> int:
    """Return the EXIF orientation of a PNG or WebP, 1 to 8; 1 if there is none, and for other formats. The same as `orientation.py`."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        end = max(len(data) - EXIF_SEARCHED, EXIF_SEARCHED)
        there = data.find(b"eXIf", 0, EXIF_SEARCHED) >= 0 or data.find(b"eXIf", end) >= 0
        place = _chunk(data, 8, _CHUNK, b"eXIf", 4, PNG_CHUNKS) if there else -1
    else:
        place = _chunk(data, 12, _RIFF_CHUNK, b"EXIF", 0, RIFF_CHUNKS) if data.startswith(b"WEBPVP8X", 8) else -1
    if place < 0:
        return 1
    return _orientation(data, place + (6 if data.startswith(b"Exif", place) else 0), len(data))


def _chunk(data: bytes, position: int, layout: Struct, wanted: bytes, checksum: int, most: int) -> int:
    """Return where the content of the first chunk of this name begins; -1 if it is not among the first `most`."""
    for _ in range(most + 1):
        if position + 8 >= len(data):
            break
        one, other = layout.unpack_from(data, position)
        name, length = (one, other) if isinstance(one, bytes) else (other, one)
        if name == wanted:
            return position + 8
        position += 8 + min(length, 1 << 30) + (checksum or length % 2)
    return -1


def _checked(data: bytes, position: int, length: int) -> bool:
    """Whether a chunk has the right checksum."""
    (stored,) = _NUMBER.unpack_from(data, position + 8 + length)
    return zlib.crc32(data[position + 4 : position + 8 + length]) == stored


def _plain_chunk(data: bytes, position: int, length: int, kind: bytes, color: int) -> bool:
    """Whether a chunk before the pixels is one that Pillow is known to accept."""
    if kind == b"tEXt":
        return length < _TEXT and data.find(b"\0", position + 9, position + 8 + length) > 0
    if kind == b"tRNS":
        return length > 0 and (color == 3 or length == {0: 2, 2: 6}.get(color))
    if kind == b"PLTE":
        return 0 < length <= 768 and length % 3 == 0
    return _LENGTHS.get(kind) == length or kind in _IGNORED
