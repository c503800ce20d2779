"""What is peculiar about a file, and headers that are read without Pillow: the same verdict as with it."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.decoding import encoders as e
from tests.data.decoding.odd_files import CORPUS
from tests.data.decoding.test_decode_in_graph import EDITS, damaged
from tests.data.samples import ALPHAS, CLOSE, COLORS, DEEP, EXACT, FEW, GREY, RGB, RGBA, SIDE, TRANSCODED
from transfer.data.decoding import examination, headers
from transfer.data.decoding.orientation import orientation

NONE = "0" * 64
MOVING = {"save_all": True, "append_images": [GREY.convert("RGB")]}
FORMATS = ("JPEG", "PNG", "WEBP")
EXIF = {f"{format} turned by {value}": e.with_orientation(RGB, value, format) for format in FORMATS for value in range(1, 9)}
EXIF["PNG, after the pixels, turned by 6"] = e.exif_after_the_pixels(EXIF["PNG turned by 6"])
PROFILE = {f"{format} with a profile": e.saved(RGB, format, icc_profile=b"profile" * 99) for format in ("JPEG", "PNG")}
FLOATS = Image.fromarray(np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE))
FILES = {**EXACT, **CLOSE, **TRANSCODED, **EXIF, **PROFILE, **{odd.what: odd.content for odd in CORPUS if isinstance(odd.content, bytes)}}

PECULIAR = [
    ("plain JPEG", CLOSE["JPEG"], ""),
    ("plain PNG", EXACT["PNG"], ""),
    ("palette PNG", EXACT["8-bit palette PNG"], ""),
    ("RGBA PNG", EXACT["PNG with alpha"], "alpha"),
    ("grey and alpha PNG", EXACT["grey PNG with alpha"], "alpha"),
    ("PNG with tRNS", e.png(FEW, 8, 3, e.palette_chunks(COLORS, ALPHAS)), "alpha"),
    ("PNG with a transparent colour", EXACT["PNG with a transparent colour"], "alpha"),
    ("16-bit PNG", e.png(DEEP[:, :, :1], 16, 0), "uint16"),
    ("16-bit RGBA PNG", EXACT["16-bit RGBA PNG"], "alpha uint16"),
    ("16-bit PNG that Pillow must read", e.png(DEEP[:, :, :3], 16, 2, e.chunk(b"zTXt", b"a\0\0")), "uint16"),
    ("APNG", EXACT["APNG"], "animated"),
    ("GIF", EXACT["GIF"], ""),
    ("transparent GIF", EXACT["transparent GIF"], "alpha"),
    ("animated GIF", EXACT["animated GIF"], "animated"),
    ("GIF of which only the first frame is there", e.cut(EXACT["animated GIF"], 0.55), ""),
    ("WebP", CLOSE["lossy WebP"], ""),
    ("WebP with alpha", CLOSE["lossy WebP with alpha"], "alpha"),
    ("animated WebP", CLOSE["animated WebP"], "animated"),
    ("CMYK JPEG", CLOSE["CMYK JPEG"], "cmyk"),
    ("CMYK TIFF", e.saved(RGB.convert("CMYK"), "TIFF"), "cmyk"),
    ("16-bit TIFF", e.saved(Image.fromarray(DEEP[:, :, 0].astype(np.uint16)), "TIFF"), "uint16"),
    ("TIFF of floats", e.saved(FLOATS, "TIFF"), "float32"),
    ("TIFF with alpha", e.saved(RGBA, "TIFF"), "alpha"),
    ("TIFF of two pages", e.saved(RGB, "TIFF", **MOVING), ""),
    ("MPO", CLOSE["MPO"], ""),
    *((what, data, "" if what[-1] == "1" else "rotated") for what, data in EXIF.items()),
    ("turned TIFF", e.saved(RGB, "TIFF", tiffinfo={0x0112: 6}), "rotated"),
    ("turned HEIC", e.heic(RGB, 6), "rotated"),
    *([("turned AVIF", e.with_orientation(RGB, 6, "AVIF"), "rotated")] if e.HAS_AVIF else []),
    ("turned CMYK JPEG", e.with_orientation(RGB.convert("CMYK"), 6), "cmyk rotated"),
    ("no image", b"text", ""),
]


@pytest.mark.parametrize(("data", "expected"), [case[1:] for case in PECULIAR], ids=[case[0] for case in PECULIAR])
def test_each_peculiarity_has_its_word(data: bytes, expected: str) -> None:
    assert " ".join(examination.examine(data, NONE, 100.0).traits) == expected


@pytest.mark.parametrize(
    ("path", "format", "expected"),
    [
        ("a/1.jpg", "JPEG", False), ("1.JPEG", "JPEG", False), ("1.jpe", "JPEG", False), ("1.jfif", "JPEG", False),
        ("1.jpg", "MPO", False), ("1.tif", "TIFF", False), ("1.tiff", "TIFF", False), ("1.heic", "HEIF", False),
        ("1.heif", "HEIF", False), ("1.heif", "AVIF", False), ("1.png", "JPEG", True), ("1.jpg", "PNG", True),
        ("1.JPG", "WEBP", True), ("1.heic", "JPEG", True), ("1.gif", "PNG", True), ("image", "JPEG", False),
        ("a.png/image", "JPEG", False), (".png", "JPEG", False), ("1.v2", "PNG", False), ("1.txt", "PNG", False),
        ("1.jpg", "", False),
    ],
)  # fmt: skip
def test_a_name_that_announces_another_format_is_mislabelled(path: str, format: str, expected: bool) -> None:
    assert examination.mislabelled(path, format) == expected


def both(data: bytes) -> tuple[headers.Header, headers.Header]:
    """Return the verdict, and the one that Pillow alone gives."""
    read = headers.read(data)
    fast = examination.examine(data, NONE, 1.0)
    return fast, examination._with_library(data, NONE, 1.0, read) if data else fast


def same(one: headers.Header, other: headers.Header) -> bool:
    """Whether two verdicts are one; the words of damage may differ."""
    facts = [(header.format, header.width, header.height, header.traits, header.reason) for header in (one, other)]
    return facts[0] == facts[1]


@pytest.mark.parametrize("data", FILES.values(), ids=FILES.keys())
def test_headers_read_without_pillow_get_its_verdict(data: bytes) -> None:
    fast, slow = both(data)
    assert same(fast, slow), (fast, slow)


@given(st.sampled_from(sorted(FILES)), st.one_of(st.just(1.0), st.floats(0, 1)), EDITS)
@settings(max_examples=300, deadline=None)
def test_damaged_headers_get_pillows_verdict_as_well(kind: str, share: float, edits: list[tuple[float, int]]) -> None:
    fast, slow = both(damaged(FILES[kind], share, edits))
    assert same(fast, slow), (fast, slow)


ORDINARY = ["JPEG", "progressive JPEG", "grey JPEG", "CMYK JPEG", "PNG", "1-bit PNG", "PNG with alpha", "2-bit palette PNG"]


@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_files_need_no_pillow(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked Pillow")

    monkeypatch.setattr(examination, "opened", refuse)
    assert examination.examine(FILES[kind], NONE, 100.0).sure


@given(st.sampled_from(sorted(EXIF)), EDITS)
@settings(max_examples=300, deadline=None)
def test_the_orientation_is_the_one_that_the_decoder_applies(kind: str, edits: list[tuple[float, int]]) -> None:
    data = damaged(EXIF[kind], 1.0, edits)
    read = headers.read(data)
    applied = int(orientation(tf.constant(data)))
    if kind.startswith("JPEG"):
        assert read is None or ("rotated" in read.traits) == (applied > 1)
    else:
        assert headers.orientation(data) == applied
