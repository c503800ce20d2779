"""A folder of files as people have them, and what each should get."""

import io
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.decoding import encoders as e
from transfer.data.decoding import readers
from transfer.data.decoding.formats import UnreadableError


@dataclass(frozen=True)
class Odd:
    """One file: what it is, its path in the corpus, its bytes (or what makes it), and what should become of it."""

    what: str
    path: str
    content: bytes | Callable[[Path], object]
    status: str = "used"
    reason: str = ""


RGB = Image.fromarray(e.smooth(48, 36))
RGBA = Image.fromarray(e.smooth(48, 36, 4))
GREY = RGB.convert("L")
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]])
FEW = (e.smooth(48, 36, 1) // 64).astype(np.uint8)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))
BOMB = e.png_header(20000, 31000) + e.chunk(b"IDAT", bytes(9))
JPEG, PNG = e.saved(NOISE, "JPEG", quality=90), e.saved(NOISE, "PNG")
EXIF_JPEG = e.with_orientation(RGB, 6)
NOT_AN_IMAGE = "not an image: unknown format"
TEXT = "not an image: text"


def _animated(format: str) -> bytes:
    first, *others = (Image.fromarray(e.smooth(48, 36, 3, shift)) for shift in (0, 40, 80))
    return e.saved(first, format, save_all=True, append_images=others)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("image.png", PNG)
    return buffer.getvalue()


def _broken_crc() -> bytes:
    data = bytearray(PNG)
    data[data.index(b"IDAT") + 200] ^= 0xFF
    return bytes(data)


def _palette_png(depth: int, alphas: list[int] | None = None) -> bytes:
    return e.png(FEW % min(2**depth, 4), depth, 3, e.palette_chunks(COLORS[: 2**depth], alphas))


def _video_size(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\0\0\0\x18ftypmp42")
        file.truncate(5 << 30)  # a hole: takes no place on the disk


def _link(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def _linked_folder(path: Path) -> None:
    elsewhere = path.parents[3] / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "there.png").write_bytes(e.saved(RGB.rotate(180), "PNG"))
    path.parent.symlink_to(elsewhere)


def _in_empty(path: Path) -> None:
    """A folder without files."""


_DAMAGED = [
    Odd("zero bytes", "empty.jpg", b"", "skipped", "empty file"),
    Odd("text named .jpg", "text.jpg", b"Not found\n", "skipped", TEXT),
    Odd("text that begins like a BMP", "car.bmp", b"BMW makes cars and motorcycles.\n", "skipped", TEXT),
    Odd("HTML named .png", "page.png", b"<!DOCTYPE html>\n<html></html>\n", "skipped", TEXT),
    Odd("SVG", "drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>\n', "skipped", "unsupported format: an SVG drawing"),
    Odd("PDF", "paper.pdf", e.saved(RGB, "PDF"), "skipped", "unsupported format: a PDF document"),
    Odd("PostScript", "drawing.eps", e.saved(RGB, "EPS"), "skipped", "unsupported format: a PostScript drawing (EPS)"),
    Odd("ZIP", "all.zip", _zip(), "skipped", "not an image: a ZIP archive"),
    Odd("video", "clip.mp4", b"\0\0\0\x18ftypisom" + bytes(99), "skipped", "not an image: a video"),
    Odd("zeros", "zeros.jpg", bytes(5000), "skipped", NOT_AN_IMAGE),
    Odd("file of 5 GB", "holiday.mp4", _video_size, "skipped", "too large: 5369 MB"),
    Odd("signature of JPEG only", "start.jpg", JPEG[:3], "skipped", "damaged: "),
    *(Odd(f"JPEG cut at {p} %", f"cut{p}.jpg", e.cut(JPEG, p / 100), "skipped", "damaged: ") for p in (2, 10, 50, 95)),
    Odd("JPEG without its last bytes", "cut99.jpg", JPEG[:-12], "skipped", "damaged: not a whole JPEG"),
    *(Odd(f"PNG cut at {p} %", f"cut{p}.png", e.cut(PNG, p / 100), "skipped", "damaged: not a whole PNG") for p in (10, 50, 95)),
    Odd("PNG cut in its header", "cut.png", PNG[:20], "skipped", "damaged: "),
    Odd("PNG with broken checksum", "crc.png", _broken_crc(), "skipped", "damaged: not a whole PNG"),
    Odd("PNG with broken header checksum", "ihdr.png", PNG[:18] + b"\1" + PNG[19:], "skipped", "damaged: "),
    Odd("GIF cut", "cut.gif", e.cut(e.saved(NOISE, "GIF"), 0.5), "skipped", "damaged: not a whole GIF"),
    Odd("WebP cut", "cut.webp", e.cut(e.saved(NOISE, "WEBP"), 0.5), "skipped", "damaged: not a whole WebP"),
    Odd("BMP cut", "cut.bmp", e.cut(e.saved(NOISE, "BMP"), 0.5), "skipped", "damaged: "),
    Odd("HEIC cut", "cut.heic", e.cut(e.heic(NOISE), 0.5), "skipped", "damaged: "),
    Odd("TIFF cut", "cut.tif", e.cut(e.saved(NOISE, "TIFF"), 0.5), "skipped", "damaged: "),
    Odd("PNG of 620 megapixels, header only", "bomb.png", BOMB, "skipped", "too large: 620 megapixels"),
    Odd("GIF of 620 megapixels", "bomb.gif", e.gif_on_canvas(RGB, (20000, 31000), 0, 0), "skipped", "too large: 620 megapixels"),
]

_PLAIN = [
    Odd("PNG named .jpg", "png.jpg", PNG),
    Odd("JPEG named .png", "jpeg.png", JPEG),
    Odd("grey JPEG", "grey.jpg", e.saved(GREY, "JPEG")),
    Odd("CMYK JPEG", "cmyk.jpg", e.saved(RGB.convert("CMYK"), "JPEG")),
    Odd("progressive JPEG", "progressive.jpg", e.saved(RGB, "JPEG", progressive=True)),
    Odd("JPEG followed by other bytes", "followed.jpg", e.saved(RGB, "JPEG", quality=70) + b"more" * 99),
    *(Odd(f"JPEG with EXIF orientation {v}", f"exif{v}.jpg", e.with_orientation(RGB, v)) for v in range(1, 9)),
    Odd("JPEG with damaged EXIF", "bad_exif.jpg", EXIF_JPEG.replace(b"II*\0", b"\xff\xff\xff\xff")),
    Odd("JPEG with cut EXIF", "cut_exif.jpg", EXIF_JPEG[:14] + b"\xff" * 20 + EXIF_JPEG[34:]),
    Odd("MPO", "stereo.mpo", _animated("MPO")),
    *(Odd(f"palette PNG of {d} bits", f"p{d}.png", _palette_png(d)) for d in (1, 2, 4, 8)),
    *(Odd(f"palette PNG of {d} bits with tRNS", f"t{d}.png", _palette_png(d, [0, 128, 255][: 2**d])) for d in (1, 2, 4, 8)),
    Odd("PNG of 1 bit", "bit.png", e.saved(GREY.convert("1"), "PNG")),
    Odd("grey and alpha PNG", "la.png", e.saved(RGBA.convert("LA"), "PNG")),
    Odd("16-bit grey PNG", "grey16.png", e.png(e.smooth(48, 36, 1).astype(int) * 257, 16, 0)),
    Odd("16-bit RGB PNG", "rgb16.png", e.png(e.smooth(48, 36).astype(int) * 257, 16, 2)),
    Odd("interlaced PNG", "interlaced.png", e.png(e.smooth(48, 36), 8, 2, interlaced=True)),
    Odd("APNG", "animated.png", _animated("PNG")),
    Odd("GIF", "still.gif", e.saved(RGB, "GIF")),
    Odd("animated GIF", "animated.gif", _animated("GIF")),
    Odd("animated GIF cut in its second frame", "cut2.gif", _animated("GIF")[:-1500]),
    Odd("transparent GIF", "transparent.gif", e.saved(RGB.convert("P"), "GIF", transparency=3)),
    Odd("GIF with a frame smaller than its canvas", "small.gif", e.gif_on_canvas(RGB, (60, 50), 5, 7)),
    Odd("24-bit BMP", "24.bmp", e.saved(RGB, "BMP")),
    Odd("32-bit BMP", "32.bmp", e.saved(RGBA, "BMP")),
    Odd("8-bit palette BMP", "8.bmp", e.bmp_indexed(FEW[:, :, 0], COLORS, 8)),
    Odd("lossy WebP", "lossy.webp", e.saved(RGB, "WEBP")),
    Odd("lossless WebP", "lossless.webp", e.saved(RGB, "WEBP", lossless=True)),
    Odd("WebP with alpha", "alpha.webp", e.saved(RGBA, "WEBP")),
    Odd("animated WebP", "animated.webp", _animated("WEBP")),
    Odd("1x1 pixel", "one.png", e.saved(RGB.crop((0, 0, 1, 1)), "PNG")),
    Odd("1x5000 pixels", "tall.png", e.saved(RGB.resize((1, 5000)), "PNG")),
    Odd("5000x1 pixels", "wide.jpg", e.saved(RGB.resize((5000, 1)), "JPEG")),
]

_TRANSCODED = [
    Odd("1-bit BMP", "1.bmp", e.saved(GREY.convert("1"), "BMP"), "transcoded"),
    Odd("4-bit BMP", "4.bmp", e.bmp_indexed(FEW[:, :, 0], COLORS, 4), "transcoded"),
    Odd("run-length coded BMP", "rle8.bmp", e.bmp_rle8(FEW[:, :, 0], COLORS), "transcoded"),
    Odd("TIFF", "rgb.tif", e.saved(RGB, "TIFF"), "transcoded"),
    Odd("16-bit TIFF", "16.tif", e.saved(Image.fromarray(e.smooth(48, 36, 1)[:, :, 0].astype(np.uint16) * 257), "TIFF"), "transcoded"),
    Odd("TIFF of three pages", "pages.tif", _animated("TIFF"), "transcoded"),
    Odd("CMYK TIFF", "cmyk.tif", e.saved(RGB.convert("CMYK"), "TIFF"), "transcoded"),
    Odd("16-bit RGB TIFF", "rgb16.tif", e.tiff(e.smooth(48, 36).astype(np.uint16) * 257), "transcoded"),
    Odd("TIFF of floats", "floats.tif", e.saved(Image.fromarray(e.smooth(48, 36, 1)[:, :, 0].astype(np.float32)), "TIFF"), "transcoded"),
    Odd("HEIC", "phone.heic", e.heic(RGB), "transcoded"),
    Odd("HEIC with orientation", "phone6.heic", e.heic(RGB, 6), "transcoded"),
    Odd("ICO", "favicon.ico", e.saved(RGBA.resize((32, 32)), "ICO", sizes=[(16, 16), (32, 32)]), "transcoded"),
    Odd("PPM", "image.ppm", e.saved(RGB, "PPM"), "transcoded"),
    *([Odd("AVIF", "image.avif", e.saved(RGB, "AVIF"), "transcoded")] if e.HAS_AVIF else []),
]

_NAMES = ["图片.png", "صورة.png", "🐈‍⬛.png", "with spaces .png", 'it\'s "quoted", twice.png', "new\nline.png", "carriage\rreturn.png"]
_NAMES += ["UPPER.PNG", "no_extension", "-rf.png", "100%.png", "back\\slash.png", "a" * 250 + ".png", os.fsdecode(b"latin\xe9.png")]

_NAMED = [
    Odd(f"named {name[:30]!a}", name, e.saved(RGB.rotate(number + 1), "PNG")) for number, name in enumerate(_NAMES)
]  # fmt: skip

_PLACES = [
    Odd("nested sub-folder", "a/b/c/deep.png", e.saved(RGB.rotate(90), "PNG")),
    Odd("200 folders deep", "d/" * 200 + "deep.png", e.saved(RGB.rotate(91), "PNG")),
    Odd("link to a file", "link.png", _link("deep_target/plain.png")),
    Odd("target of the link", "deep_target/plain.png", e.saved(RGB.rotate(45), "PNG")),
    Odd("broken link", "broken.png", _link("nowhere.png"), "skipped", "broken link"),
    Odd("link to itself", "self.png", _link("self.png"), "skipped", "cannot be read: "),
    Odd("file in a linked folder", "linked/there.png", _linked_folder),
    Odd("link to the folder above", "loop/", _link("."), "skipped", "folder: listed already"),
    Odd("hidden file", ".hidden.png", PNG, "skipped", "hidden file"),
    Odd("hidden folder", ".git/", lambda path: path.mkdir(), "skipped", "hidden folder"),
    Odd("Mac's shadow file", "._photo.jpg", b"\0\5\x16\7", "skipped", "hidden file"),
    Odd("Thumbs.db", "Thumbs.db", b"\xd0\xcf\x11\xe0", "skipped", "system file"),
    Odd("desktop.ini", "desktop.ini", b"[x]\n", "skipped", "system file"),
    Odd("FIFO", "pipe.png", os.mkfifo, "skipped", "not a regular file"),
    Odd("JPEG 2000 signature", "x.jp2", struct.pack(">I", 12) + b"jP  \r\n\x87\n", "skipped", "damaged: "),
]

CORPUS = [*_DAMAGED, *_PLAIN, *_TRANSCODED, *_NAMED, *_PLACES]


def build(root: Path) -> None:
    """Write the corpus into the class folder `root/odd`."""
    for odd in CORPUS:
        path = root / "odd" / odd.path
        if odd.content is not _linked_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(odd.content, bytes):
            path.write_bytes(odd.content)
        else:
            odd.content(path)


def read_or_refused(data: bytes, most_pixels: float) -> None:
    """Read damaged bytes with the reader of their format, if the header claims no more pixels; only `UnreadableError` is allowed."""
    try:
        reader = readers.reader_of(data)
        if reader and np.prod(reader.size(data)) < most_pixels:
            reader.samples(data)
    except UnreadableError:
        pass
