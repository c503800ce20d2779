"""Every type of sample is read with its sign and width right, or refused by its name."""

import io
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.data.decoding import encoders as e
from transfer.data.decoding import examination
from transfer.data.decoding.decode import decode
from transfer.data.decoding.formats import UnreadableError, UnsupportedError
from transfer.data.decoding.to_8_bits import DEEP_TYPES, Range, to_8_bits, type_range
from transfer.data.decoding.transcode import deep_of, to_png

NONE = "0" * 64
RAMP = np.linspace(0, 1, 24 * 16).reshape(16, 24)


def over(dtype: str, channels: int = 1, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Return samples [16, 24] or [16, 24, channels] that rise from low to high, by default over the whole type."""
    least, most = type_range(dtype)
    low, high = least if low is None else low, most if high is None else high
    samples = (low + RAMP * (high - low)).astype(dtype)
    return samples if channels == 1 else np.stack([np.roll(samples, 3 * channel, 1) for channel in range(channels)], -1)


def pixels(data: bytes, value_range: Range | None = None) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(to_png(data, value_range))))


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", DEEP_TYPES)
def test_a_tiff_of_any_type_becomes_8_bits_by_the_rule(dtype: str, channels: int, compression: str | None) -> None:
    samples = over(dtype, channels)
    data = e.tiff(samples, compression=compression)
    header = examination.examine(data, NONE, 1.0)
    assert (header.format, header.width, header.height, header.reason) == ("TIFF", 24, 16, "")
    assert header.traits == (("alpha", dtype) if channels in (2, 4) else (dtype,))
    result, expected = pixels(data), to_8_bits(samples, None).reshape(16, 24, channels)
    assert (result[..., : min(3, channels)] == (expected[..., :3] if channels >= 3 else expected[..., :1])).all()
    if channels in (2, 4):
        assert (result[..., 3] == expected[..., -1]).all()


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("int16", -1000, 2000), ("uint32", 3e9, 4e9), ("int32", -70000, 70000), ("float32", -3, 900), ("float64", 1e6, 2e6),
        ("int8", -20, 20), ("uint16", 1000, 1500), ("float16", 0, 0.25),
    ],
)  # fmt: skip
def test_a_value_range_holds_for_every_type(dtype: str, low: float, high: float) -> None:
    result = pixels(e.tiff(over(dtype, 1, low, high)), (low, high))[..., 0]
    assert np.abs(result - RAMP * 255).max() <= (8 if dtype == "int8" else 1)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_byte_order_tiles_planes_and_big_files(dtype: str, byteorder: str) -> None:
    samples = np.tile(over(dtype, 3), (4, 4, 1))
    expected = to_8_bits(samples, None)
    assert (pixels(e.tiff(samples, byteorder=byteorder))[..., :3] == expected).all()
    assert (pixels(e.tiff(samples, byteorder=byteorder, tile=(32, 32)))[..., :3] == expected).all()
    assert (pixels(e.tiff(samples, byteorder=byteorder, bigtiff=True))[..., :3] == expected).all()
    planes = e.tiff(np.moveaxis(samples, 2, 0), photometric="rgb", planarconfig="separate", byteorder=byteorder)
    assert (pixels(planes)[..., :3] == expected).all()


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "int32", "float32"])
def test_grey_that_only_pillow_decompresses_keeps_its_sign_and_width(dtype: str) -> None:
    samples = over(dtype)
    stored = samples.view(np.int32) if dtype == "uint32" else samples
    data = e.saved(Image.fromarray(stored), "TIFF", compression="tiff_lzw")
    data = with_tag(data, 339, 1) if dtype == "uint32" else data
    assert (pixels(data)[..., 0] == to_8_bits(samples, None)).all()


def with_tag(data: bytes, tag: int, value: int) -> bytes:
    """Return a little-endian TIFF with another value of a short tag of its first directory."""
    changed = bytearray(data)
    start = int.from_bytes(data[4:8], "little")
    for number in range(int.from_bytes(data[start : start + 2], "little")):
        entry = start + 2 + 12 * number
        if int.from_bytes(data[entry : entry + 2], "little") == tag:
            changed[entry + 8 : entry + 12] = value.to_bytes(4, "little")
            return bytes(changed)
    raise AssertionError(f"no tag {tag}")


def test_samples_of_which_the_smallest_is_white_are_inverted() -> None:
    samples = over("uint16", 1, 0, 4000)
    assert (pixels(e.tiff(samples, photometric="miniswhite"), (0.0, 4000.0)) == 255 - pixels(e.tiff(samples), (0.0, 4000.0))).all()


def test_colours_multiplied_by_alpha_are_divided_again() -> None:
    samples = over("uint16", 4)
    samples[..., 3] = 32767
    data = e.tiff(samples // 2, extrasamples=["assocalpha"])
    result = pixels(data).astype(int)
    straight = np.minimum((samples[..., :3] // 2 >> 8) * 255 / (32767 // 2 >> 8), 255)
    assert np.abs(result[..., :3] - straight).max() <= 1


@pytest.mark.parametrize("value", range(1, 9))
def test_a_deep_tiff_is_turned_upright(value: int) -> None:
    small = np.arange(6, dtype=np.uint16).reshape(2, 3) * 9000
    ordinary = e.saved(Image.fromarray((small >> 8).astype(np.uint8)), "TIFF", tiffinfo={0x0112: value})
    turned = e.tiff(small, extratags=[(0x0112, "H", 1, value, True)])
    assert (pixels(turned) == pixels(ordinary)).all()
    assert ("rotated" in examination.examine(turned, NONE, 1.0).traits) == (value > 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (e.tiff(np.zeros((8, 8), np.complex64)), "1 x complex64"),
        (e.tiff(np.zeros((8, 8), np.uint64)), "1 x uint64"),
        (e.tiff(np.zeros((8, 8, 6), np.uint16), photometric="minisblack"), "6 x uint16"),
    ],
)
def test_what_nothing_reads_is_refused_by_the_name_of_its_type(data: bytes, words: str) -> None:
    reason = examination.examine(data, NONE, 1.0).reason
    assert reason.startswith("unsupported format: TIFF of ") and words in reason and "save" in reason
    with pytest.raises(UnsupportedError):
        to_png(data)


def lzw_rgb() -> bytes:
    """An RGB TIFF of 16 bits that says it is compressed by LZW, and is not whole."""
    return with_tag(e.tiff(over("uint16", 3)), 259, 5)


def test_colours_of_16_bits_that_only_pillow_decompresses_have_no_value_range() -> None:
    with pytest.raises(UnsupportedError, match="3 x uint16 samples, compressed by LZW"):
        to_png(lzw_rgb(), (0.0, 4095.0))


def test_a_part_that_unpacks_to_more_than_the_image_is_damage() -> None:
    data = e.tiff(over("float32", 3), compression="zlib")
    start = data.index(zlib.compress(b"")[:2])
    bomb = zlib.compress(bytes(10_000_000), 9)
    with pytest.raises(UnreadableError, match="larger than the image"):
        to_png(with_tag(data[:start] + bomb, 279, len(bomb)))


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_cut_deep_tiff_is_damaged(channels: int, share: float) -> None:
    header = examination.examine(e.cut(e.tiff(over("float32", channels), compression="zlib"), share), NONE, 100.0)
    assert header.reason.startswith(("damaged: ", "not an image: "))


def test_too_many_pixels_are_refused_from_the_header() -> None:
    data = with_tag(with_tag(e.tiff(over("float32", 3)), 256, 20000), 257, 31000)
    assert examination.examine(data, NONE, 100.0).reason.startswith("too large: 620 megapixels")


def test_floats_of_other_formats_have_the_same_rule() -> None:
    samples = over("float32", 1, 0, 4)
    pfm = b"Pf\n24 16\n-1.0\n" + samples[::-1].astype("<f4").tobytes()
    assert (pixels(pfm, (0.0, 4.0))[..., 0] == to_8_bits(samples, (0.0, 4.0))).all()
    pgm = b"P5\n24 16\n65535\n" + over("uint16").astype(">u2").tobytes()
    assert (pixels(pgm)[..., 0] == to_8_bits(over("uint16"), None)).all()
    assert examination.examine(pgm, NONE, 1.0).traits == ("uint16",)


def test_an_ordinary_image_is_not_deep() -> None:
    assert deep_of(e.tiff(np.zeros((8, 8, 3), np.uint8))) is None
    assert deep_of(e.saved(Image.new("CMYK", (8, 8)), "TIFF")) is None


@pytest.mark.parametrize(("channels", "color"), [(1, 0), (2, 4), (3, 2), (4, 6)])
@pytest.mark.parametrize("value_range", [None, (1000.0, 5000.0), (-500.0, 70000.0)])
def test_the_graph_gives_a_png_of_16_bits_the_pixels_of_a_tiff(channels: int, color: int, value_range: Range | None) -> None:
    samples = np.tile(over("uint16", channels, 900, 5100).reshape(16, 24, channels), (2, 2, 1))
    if channels in (2, 4):
        samples[..., -1] = 65535 // 3
    png, tiff = e.png(samples.astype(int), 16, color), e.tiff(samples[..., 0] if channels == 1 else samples)
    graph = decode(tf.constant(png), 31, value_range=value_range)
    assert (graph.numpy() == decode(tf.constant(to_png(tiff, value_range)), 31).numpy()).all()


def test_a_value_range_leaves_images_of_8_bits_alone() -> None:
    for data in (e.saved(Image.fromarray(e.smooth(24, 16)), format) for format in e.FORMATS):
        assert (decode(tf.constant(data), 24, value_range=(0.0, 4095.0)).numpy() == decode(tf.constant(data), 24).numpy()).all()


def test_large_images_are_converted_by_rows_to_the_same_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    from transfer.data.decoding import decode as module

    data = e.png(over("uint16", 1, 0, 4095).astype(int)[..., np.newaxis], 16, 0)
    at_once = decode(tf.constant(data), 16, value_range=(0.0, 4095.0)).numpy()
    monkeypatch.setattr(module, "_AT_ONCE", 10)
    assert (decode(tf.constant(data), 16, value_range=(0.0, 4095.0)).numpy() == at_once).all()
