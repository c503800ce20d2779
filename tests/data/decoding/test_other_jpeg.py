"""JPEG XL, JPEG-LS, lossless JPEG and JPEG of 12 bits: sides from the header, pixels as they were encoded."""

import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.data.decoding import encoders as e
from tests.data.decoding.odd_files import read_or_refused
from transfer.data.decoding import examination, other_jpeg

codecs = pytest.importorskip("imagecodecs", exc_type=ImportError)

COLOURS = e.smooth(80, 64)
GREY = np.ascontiguousarray(COLOURS[:, :, 0])
DEEP = ((GREY.astype(np.uint32) * 4095 + 127) // 255).astype(np.uint16)
FULL = (GREY.astype(np.uint16)) * 257
NONE = "0" * 64

ENCODED: dict[str, tuple[Callable[[], bytes], np.ndarray, float]] = {
    "JPEG of 12 bits": (lambda: codecs.jpeg_encode(DEEP, 100, bitspersample=12), FULL, 300),
    "lossless JPEG": (lambda: codecs.jpeg_encode(GREY, lossless=True), GREY, 0),
    "lossless JPEG in colours": (lambda: codecs.jpeg_encode(COLOURS, lossless=True), COLOURS, 0),
    "lossless JPEG of 16 bits": (lambda: codecs.jpeg_encode(FULL, lossless=True, bitspersample=16), FULL, 0),
    "lossless JPEG of 12 bits": (lambda: codecs.ljpeg_encode(DEEP, bitspersample=12), FULL, 9),
    "JPEG-LS": (lambda: codecs.jpegls_encode(GREY), GREY, 0),
    "JPEG-LS in colours": (lambda: codecs.jpegls_encode(COLOURS), COLOURS, 0),
    "JPEG-LS of 16 bits": (lambda: codecs.jpegls_encode(FULL), FULL, 0),
    "JPEG XL": (lambda: codecs.jpegxl_encode(GREY, lossless=True), GREY, 0),
    "JPEG XL in colours": (lambda: codecs.jpegxl_encode(COLOURS, lossless=True), COLOURS, 0),
    "JPEG XL in boxes": (lambda: codecs.jpegxl_encode(COLOURS, lossless=True, usecontainer=True), COLOURS, 0),
    "JPEG XL of 16 bits": (lambda: codecs.jpegxl_encode(FULL, lossless=True), FULL, 0),
    "JPEG XL of 12 bits": (lambda: codecs.jpegxl_encode(DEEP, lossless=True, bitspersample=12), FULL, 9),
    "JPEG XL of floats": (lambda: codecs.jpegxl_encode((COLOURS / 255).astype(np.float32), lossless=True), COLOURS / 255, 1e-6),
    "animated JPEG XL": (lambda: codecs.jpegxl_encode(np.stack([COLOURS, 255 - COLOURS]), lossless=True), COLOURS, 0),
}  # fmt: skip


@pytest.mark.parametrize("what", ENCODED)
def test_it_is_read_as_it_was_encoded(what: str) -> None:
    encode, expected, tolerance = ENCODED[what]
    data = encode()
    image = other_jpeg.samples(data)
    assert image.shape == expected.shape
    assert image.dtype.kind == expected.dtype.kind and image.dtype.itemsize <= expected.dtype.itemsize
    assert np.abs(image.astype(float) - expected).max() <= tolerance
    assert other_jpeg.size(data) == expected.shape[:2]
    assert other_jpeg.is_deep(data) == (expected is not GREY and expected is not COLOURS)
    header = examination.examine(data, NONE, 1.0)
    assert (header.width, header.height, header.transcoded, header.reason) == (80, 64, True, "")


@pytest.mark.parametrize("channels", [2, 4])
def test_transparent_pixels_of_jpeg_xl_are_white(channels: int) -> None:
    image = e.smooth(80, 64, channels)
    image[:32, :, -1], image[32:, :, -1] = 0, 255
    result = other_jpeg.samples(codecs.jpegxl_encode(image, lossless=True))
    assert (result[:32] == 255).all()
    assert (result[32:] == (image[32:, :, :3] if channels == 4 else image[32:, :, 0])).all()


@pytest.mark.parametrize("value", range(1, 9))
def test_exif_orientation_is_applied_once(value: int) -> None:
    exif = e.with_orientation(Image.new("L", (8, 8)), value)
    start = exif.index(b"\xff\xe1")
    segment = exif[start : start + 2 + struct.unpack_from(">H", exif, start + 2)[0]]
    plain = codecs.jpeg_encode(GREY, lossless=True)
    data = plain[:2] + segment + plain[2:]
    image = other_jpeg.samples(data)
    assert image.shape == other_jpeg.size(data) == ((80, 64) if value >= 5 else (64, 80))
    tagged = Image.fromarray(GREY)
    tagged.getexif()[0x0112] = value
    assert (image == np.asarray(ImageOps.exif_transpose(tagged))).all()


@pytest.mark.parametrize("sides", [(1, 1), (7, 300), (8, 8), (256, 256), (100, 200), (90, 120), (513, 40), (9000, 3)])
def test_the_sides_of_jpeg_xl_are_read_in_all_their_codings(sides: tuple[int, int]) -> None:
    assert other_jpeg.size(codecs.jpegxl_encode(np.zeros(sides, np.uint8))) == sides


def test_a_large_jpeg_xl_is_refused_from_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(examination, "transcode", refuse)
    # small: 0; height of 30 bits: 100000; ratio 1 (square); all else is the default
    bits = 0b11 << 1 | (100000 - 1) << 3 | 1 << 33 | 1 << 36
    header = examination.examine(b"\xff\x0a" + bits.to_bytes(8, "little") + bytes(60), NONE, 100.0)
    assert header.reason.startswith("too large: 10000 megapixels")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("what", [what for what in ENCODED if what != "animated JPEG XL"])  # its second frame may be missing
def test_a_cut_image_is_damaged(what: str, share: float) -> None:
    data = e.cut(ENCODED[what][0](), share)
    assert examination.examine(data, NONE, 1.0).reason.startswith("damaged: ")


@pytest.mark.parametrize("what", ["JPEG XL in boxes", "JPEG of 12 bits", "JPEG-LS", "animated JPEG XL"])
def test_damage_is_an_unreadable_error_or_an_image(what: str) -> None:
    whole, generator = ENCODED[what][0](), np.random.default_rng(0)
    for _ in range(40):
        data = bytearray(whole)
        for place in generator.integers(2, min(len(data), 80), 3):
            data[place] = generator.integers(256)
        read_or_refused(bytes(data), 1e6)
