"""Images encoded by hand or by Pillow, in the kinds that no single library writes."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import tifffile
from PIL import Image, features

FORMATS = ["JPEG", "PNG", "GIF", "BMP", "WEBP"]
"""What the decoder reads without help."""

ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
"""First row, first column, row step and column step of the passes of an interlaced PNG."""

HAS_AVIF = bool(features.check("avif"))


def saved(image: Image.Image, format: str, **settings: Any) -> bytes:
    """Encode with Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, format, **settings)
    return buffer.getvalue()


def smooth(width: int, height: int, channels: int = 3, shift: int = 0) -> np.ndarray:
    """Return uint8 [height, width, channels] that changes slowly, so that lossy formats keep it."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [127 + 100 * np.sin((rows * (2 + c) + columns * (3 - c) + shift) / (8 + height / 8)) for c in range(channels)]
    return np.stack(waves, -1).astype(np.uint8)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int, depth: int = 8, color: int = 2, interlaced: bool = False) -> bytes:
    """Return signature and IHDR of a PNG."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))


def _packed(samples: np.ndarray, depth: int) -> bytes:
    """Return rows [h, w * c] of a PNG, unfiltered."""
    if depth == 16:
        rows = samples.astype(">u2").view(np.uint8).reshape(len(samples), -1)
    elif depth == 8:
        rows = samples.astype(np.uint8)
    else:
        bits = (samples[:, :, np.newaxis] >> np.arange(depth - 1, -1, -1)) & 1
        rows = np.packbits(bits.reshape(len(samples), -1).astype(np.uint8), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in rows)


def png(samples: np.ndarray, depth: int, color: int, extra: bytes = b"", interlaced: bool = False) -> bytes:
    """Encode samples [h, w, c] as a PNG.

    Args:
        samples: whole numbers below 2 ** depth.
        depth: bits of a sample.
        color: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA.
        extra: chunks before the pixels (PLTE, tRNS).
        interlaced: Adam7.
    """
    height, width, _ = samples.shape
    passes = [samples[row::down, column::right] for row, column, down, right in ADAM7] if interlaced else [samples]
    data = b"".join(_packed(part.reshape(len(part), -1), depth) for part in passes if part.size)
    return png_header(width, height, depth, color, interlaced) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def palette_chunks(colors: np.ndarray, alphas: list[int] | None = None) -> bytes:
    """Return PLTE, and tRNS where alphas are given."""
    return chunk(b"PLTE", colors.astype(np.uint8).tobytes()) + (chunk(b"tRNS", bytes(alphas)) if alphas else b"")


def bmp(pixels: bytes, width: int, height: int, bits: int, compression: int = 0, table: bytes = b"") -> bytes:
    """Encode a BMP with a header of 40 bytes around pixels that are packed already; a negative height starts at the top."""
    start = 14 + 40 + len(table)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 2835, 2835, len(table) // 4, 0)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + table + pixels


def bmp_indexed(indices: np.ndarray, colors: np.ndarray, bits: int) -> bytes:
    """Encode indices [h, w] into a colour table [n, 3] as a BMP of 1, 4 or 8 bits."""
    spread = (indices[:, :, np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(spread.reshape(len(indices), -1).astype(np.uint8), axis=1)
    rows = np.pad(rows, [(0, 0), (0, -rows.shape[1] % 4)])
    return bmp(rows[::-1].tobytes(), indices.shape[1], len(indices), bits, table=_bmp_table(colors))


def bmp_rle8(indices: np.ndarray, colors: np.ndarray) -> bytes:
    """Encode indices [h, w] into a colour table as a run-length coded BMP."""
    rows = [b"".join(bytes([1, int(value)]) for value in row) + b"\0\0" for row in indices[::-1]]
    return bmp(b"".join(rows) + b"\0\1", indices.shape[1], len(indices), 8, compression=1, table=_bmp_table(colors))


def _bmp_table(colors: np.ndarray) -> bytes:
    return np.pad(colors[:, ::-1].astype(np.uint8), [(0, 0), (0, 1)]).tobytes()


def gif_on_canvas(frame: Image.Image, canvas: tuple[int, int], left: int, top: int) -> bytes:
    """Encode an image as the only frame of a GIF whose canvas (width, height) is larger."""
    data = bytearray(saved(frame, "GIF"))
    data[6:10] = struct.pack("<HH", *canvas)
    table = 3 * 2 ** (1 + data[10] % 8) if data[10] >= 128 else 0
    descriptor = data.index(b",", 13 + table)
    data[descriptor + 1 : descriptor + 5] = struct.pack("<HH", left, top)
    return bytes(data)


def in_iptc(content: bytes) -> bytes:
    """Return an IPTC file of 20 x 20 pixels that holds another image file, which Pillow opens as whatever that is."""
    fields = [((3, 60), b"\1\0"), ((3, 20), struct.pack(">H", 20)), ((3, 30), struct.pack(">H", 20)), ((3, 120), b"\0\5")]
    head = b"".join(bytes([0x1C, *tag]) + struct.pack(">H", len(value)) + value for tag, value in fields)
    return head + bytes([0x1C, 8, 10, 0x84, 0]) + struct.pack(">I", len(content)) + content


def with_orientation(image: Image.Image, value: int, format: str = "JPEG", **settings: Any) -> bytes:
    """Encode with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = value
    return saved(image, format, exif=exif, **settings)


def exif_after_the_pixels(data: bytes) -> bytes:
    """Return a PNG whose eXIf chunk is moved behind its pixels."""
    start = data.index(b"eXIf") - 4
    stop = start + 12 + int.from_bytes(data[start : start + 4], "big")
    return data[:start] + data[stop:-12] + data[start:stop] + data[-12:]


def cut(data: bytes, share: float) -> bytes:
    """Return the first part of a file."""
    return data[: int(len(data) * share)]


def heic(image: Image.Image, orientation: int = 1) -> bytes:
    """Encode as HEIC that its reader has to turn, without loss but for the colours' rounding."""
    import pillow_heif

    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, exif=exif.tobytes(), quality=-1, chroma=444, matrix_coefficients=0)
    return buffer.getvalue()


def tiff(samples: np.ndarray, **settings: Any) -> bytes:
    """Encode samples of any type, [h, w] or [h, w, c], as a TIFF: c of 1 or 2 is grey, of 3 or 4 RGB, each with alpha where even."""
    buffer = io.BytesIO()
    channels = samples.shape[2] if samples.ndim == 3 else 1
    options: dict[str, Any] = {"photometric": "rgb" if channels >= 3 else "minisblack", "planarconfig": "contig" if channels > 1 else None}
    if channels in (2, 4):
        options["extrasamples"] = ["unassalpha"]
    tifffile.imwrite(buffer, samples, **(options | settings))
    return buffer.getvalue()


_TIFF_TYPES = {"B": 1, "s": 2, "H": 3, "I": 4}


def _directory(entries: list[tuple[int, str, list[int] | bytes]], start: int, following: int = 0) -> bytes:
    """Return a directory of a little-endian TIFF that lies at `start`, with the values that do not fit into it."""
    after, inside, outside = start + 2 + 12 * len(entries) + 4, b"", b""
    for tag, kind, values in sorted(entries):
        data = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{kind}", *values)
        place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", after + len(outside))
        outside += data + bytes(-len(data) % 4) if len(data) > 4 else b""
        inside += struct.pack("<HHI", tag, _TIFF_TYPES[kind], len(values)) + place
    return struct.pack("<H", len(entries)) + inside + struct.pack("<I", following) + outside


def camera_raw(
    sensor: np.ndarray, preview: Image.Image, orientation: int = 1, make: str = "", dng: bool = True, sides: tuple[int, int] | None = None
) -> bytes:
    """Encode sensor data uint16 [h, w] in the pattern RGGB as DNG, NEF and others do it: a TIFF of a preview, with the sensor below it.

    Args:
        sensor: whole numbers below 4096.
        preview: the image that comes first.
        orientation: of EXIF.
        make: of the camera.
        dng: it has the version number of a DNG; LibRaw needs it.
        sides: width and height that the header claims instead of the sensor's.
    """
    small, large = np.asarray(preview.convert("RGB")).tobytes(), sensor.astype("<u2").tobytes()
    width, height = sides or sensor.shape[::-1]
    below = 8 + len(small) + len(large)
    sub = _directory(
        [
            (254, "I", [0]), (256, "I", [width]), (257, "I", [height]), (258, "H", [16]), (259, "H", [1]), (262, "H", [32803]),
            (273, "I", [8 + len(small)]), (277, "H", [1]), (278, "I", [height]), (279, "I", [len(large)]), (33421, "H", [2, 2]),
            (33422, "B", [0, 1, 1, 2]), (50714, "H", [0]), (50717, "H", [4095]),
        ],
        below,
    )  # fmt: skip
    sub += bytes(-len(sub) % 4)
    entries: list[tuple[int, str, list[int] | bytes]] = [
        (254, "I", [1]), (256, "I", [preview.width]), (257, "I", [preview.height]), (258, "H", [8, 8, 8]), (259, "H", [1]),
        (262, "H", [2]), (273, "I", [8]), (274, "H", [orientation]), (277, "H", [3]), (278, "I", [preview.height]),
        (279, "I", [len(small)]), (330, "I", [below]),
    ]  # fmt: skip
    entries += [(271, "s", make.encode() + b"\0")] if make else []
    entries += [(50706, "B", [1, 4, 0, 0]), (50708, "s", b"Camera 1\0")] if dng else []
    return b"II*\0" + struct.pack("<I", below + len(sub)) + small + large + sub + _directory(entries, below + len(sub))
