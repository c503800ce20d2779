"""Camera raw files that are TIFF files (DNG, NEF, ARW, ...), told from ordinary TIFF files by their sensor data.

Their first image is often a small preview, which Pillow would take for the image.
Sources: TIFF 6.0; TIFF/EP (ISO 12234-2) and DNG 1.7 for the photometric interpretations of sensor data.
"""

from collections.abc import Iterator
from struct import Struct, error

_SENSOR_DATA = (32803, 34892)  # photometric interpretations: colour filter array, linear raw
_PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG_VERSION = 262, 271, 330, 50706
_DIRECTORIES, _ENTRIES, _VALUES = 32, 512, 64  # that are read of a file
_MAKERS = {
    b"nikon": "NEF", b"sony": "ARW", b"pentax": "PEF", b"ricoh": "PEF", b"samsung": "SRW", b"hasselblad": "3FR", b"seiko epson": "ERF",
    b"kodak": "DCR", b"eastman kodak": "DCR", b"leaf": "MOS",
}  # fmt: skip

_Tags = dict[int, tuple[int, int, int]]  # tag -> type, count, position of the value or of its pointer


def kind(data: bytes) -> str:
    """Return the kind of camera raw (DNG, NEF, ...; RAW: another one) that a TIFF is; empty: an ordinary or damaged TIFF."""
    sensor, dng, make = False, False, b""
    try:
        for tags in _directories(data):
            sensor |= any(value in _SENSOR_DATA for value in _whole_numbers(data, tags, _PHOTOMETRIC))
            dng |= _DNG_VERSION in tags
            make = make or _text(data, tags, _MAKE)
    except error:
        pass  # what was read so far counts
    if not sensor:
        return ""
    return "DNG" if dng else next((name for maker, name in _MAKERS.items() if make.lower().startswith(maker)), "RAW")


def _order(data: bytes) -> str:
    return "<" if data.startswith(b"II") else ">"


def _directories(data: bytes) -> Iterator[_Tags]:
    """Yield the directories of a TIFF, the main ones and those below them."""
    long, short, entry = Struct(_order(data) + "I"), Struct(_order(data) + "H"), Struct(_order(data) + "HHI")
    waiting, seen = [long.unpack_from(data, 4)[0]], {0}
    while waiting and len(seen) <= _DIRECTORIES:
        start = waiting.pop(0)
        if start in seen:
            continue
        seen.add(start)
        count = short.unpack_from(data, start)[0]
        tags: _Tags = {}
        for number in range(min(count, _ENTRIES)):
            position = start + 2 + 12 * number
            tag, type_, length = entry.unpack_from(data, position)
            tags[tag] = type_, length, position + 8
        yield tags
        waiting += _whole_numbers(data, tags, _SUB_IFDS)
        if count <= _ENTRIES and start + 2 + 12 * count + 4 <= len(data):
            waiting.append(long.unpack_from(data, start + 2 + 12 * count)[0])


def _whole_numbers(data: bytes, tags: _Tags, tag: int) -> list[int]:
    type_, count, position = tags.get(tag, (4, 0, 0))
    width, count = {3: 2, 4: 4, 13: 4}.get(type_, 0), min(count, _VALUES)
    if not width or not count:
        return []
    if width * count > 4:
        position = Struct(_order(data) + "I").unpack_from(data, position)[0]
    return list(Struct(f"{_order(data)}{count}{'H' if width == 2 else 'I'}").unpack_from(data, position))


def _text(data: bytes, tags: _Tags, tag: int) -> bytes:
    _, count, position = tags.get(tag, (2, 0, 0))
    if count > 4:
        position = Struct(_order(data) + "I").unpack_from(data, position)[0]
    return data[position : position + min(count, _VALUES)]
