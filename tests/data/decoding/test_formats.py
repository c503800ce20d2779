"""Formats that nobody reads, or only an extra: each is named, and the reason says what helps."""

import gzip
import io
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.decoding import encoders as e
from transfer.data.decoding import examination, formats, raw_tiff, readers
from transfer.data.decoding.transcode import to_png, transcoded_path

RGB = Image.fromarray(e.smooth(48, 36))
SENSOR = np.full((64, 80), 1000, np.uint16)
DNG = e.camera_raw(SENSOR, RGB)
NONE = "0" * 64


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((4, 4)))
    return buffer.getvalue()


def jpeg_of(marker: int, precision: int) -> bytes:
    """Return the header of a JPEG with this frame marker."""
    return b"\xff\xd8" + struct.pack(">HHBHHB", marker, 11, precision, 30, 40, 1) + b"\1\x11\0" + bytes(40)


NIFTI = struct.pack("<i", 348) + bytes(340) + b"n+1\0"
NOT_READ = [
    (b"%PDF-1.7\n%\xe2", "unsupported format: a PDF document; export its pages as PNG"),
    (b'<?xml version="1.0"?>\n<svg xmlns="x"/>', "unsupported format: an SVG drawing; export it as PNG"),
    (gzip.compress(b"<svg/>"), "unsupported format: an SVG drawing in a gzip archive; export it as PNG"),
    (b"v/1\x01" + bytes(40), "unsupported format: an OpenEXR image; convert it to PNG or TIFF"),
    (b"#?RADIANCE\n", "unsupported format: a Radiance image (HDR); convert it to PNG or TIFF"),
    (_npy(), "unsupported format: a NumPy array (.npy); convert it to PNG or TIFF"),
    (NIFTI, "unsupported format: a NIfTI volume; export its slices as PNG or TIFF"),
    (gzip.compress(NIFTI), "unsupported format: a NIfTI volume in a gzip archive; export its slices as PNG or TIFF"),
    (b"gimp xcf v011\0", "unsupported format: a GIMP document (XCF); convert it to PNG or TIFF"),
    (b"8BPS\0\1" + bytes(6), "unsupported format: a Photoshop document (PSD); convert it to PNG or TIFF"),
    (b"II\xbc\x01" + bytes(40), "unsupported format: a JPEG XR image; convert it to PNG or TIFF"),
    (b"\xd7\xcd\xc6\x9a" + bytes(40), "unsupported format: a Windows drawing (WMF or EMF); export it as PNG"),
    (b"\0\0\0\x20ftypisom" + bytes(40), "not an image: a video; extract its frames as images"),
    (b"\x1aE\xdf\xa3" + bytes(40), "not an image: a video; extract its frames as images"),
    (b"RIFF\0\0\0\0AVI LIST", "not an image: a video; extract its frames as images"),
    (b"RIFF\0\0\0\0WAVEfmt ", "not an image: a sound file"),
    (b"PK\3\4" + bytes(40), "not an image: a ZIP archive; unpack it"),
    (gzip.compress(b"anything"), "not an image: a gzip archive; unpack it"),
    (b"\x1f\x8b\x08broken", "not an image: a gzip archive; unpack it"),
    (b"version https://git-lfs.github.com/spec/v1\noid", "not an image: a pointer to a file in Git LFS; fetch the file with git lfs pull"),
    (b"\x08\0\x05\0CS\x0a\0ISO_IR 100", "unsupported format: a DICOM file without its file header; write it anew with a DICOM tool, "),
    (
        jpeg_of(0xFFC5, 8),
        "unsupported format: a JPEG of a rare kind (hierarchical, or lossless in arithmetic coding); convert it to PNG or TIFF",
    ),
    (jpeg_of(0xFFC0, 37), "damaged: not a whole JPEG"),
    (bytes(5000), "not an image: unknown format"),
    (b"Not found\n", "not an image: text"),
    (b"<!DOCTYPE html><html><svg/></html>", "not an image: text"),
]


@pytest.mark.parametrize(("data", "reason"), NOT_READ, ids=[reason[:50] for _, reason in NOT_READ])
def test_what_is_not_read_is_named(data: bytes, reason: str) -> None:
    assert examination.examine(data, NONE, 100.0).reason.startswith(reason)


NEED_AN_EXTRA = [
    (DNG, "a camera raw file (DNG)", "raw", "rawpy"),
    (e.camera_raw(SENSOR, RGB, make="NIKON CORPORATION", dng=False), "a Nikon raw file (NEF)", "raw", "rawpy"),
    (e.camera_raw(SENSOR, RGB, make="SONY", dng=False), "a Sony raw file (ARW)", "raw", "rawpy"),
    (e.camera_raw(SENSOR, RGB, make="Cam", dng=False), "a camera raw file", "raw", "rawpy"),
    (b"II*\0\x10\0\0\0CR\2\0" + bytes(99), "a Canon raw file (CR2)", "raw", "rawpy"),
    (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(99), "a Canon raw file (CR3)", "raw", "rawpy"),
    (b"FUJIFILMCCD-RAW 0201" + bytes(99), "a Fujifilm raw file (RAF)", "raw", "rawpy"),
    (b"IIRO\x08\0\0\0" + bytes(99), "an Olympus raw file (ORF)", "raw", "rawpy"),
    (b"IIU\0\x18\0\0\0" + bytes(99), "a Panasonic raw file (RW2)", "raw", "rawpy"),
    (bytes(128) + b"DICM" + bytes(99), "a DICOM file", "dicom", "pydicom"),
    (b"\xff\x0a" + bytes(99), "a JPEG XL image", "codecs", "imagecodecs"),
    (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "a JPEG XL image", "codecs", "imagecodecs"),
    (jpeg_of(0xFFF7, 8), "a JPEG-LS image", "codecs", "imagecodecs"),
    (jpeg_of(0xFFC3, 8), "a lossless JPEG", "codecs", "imagecodecs"),
    (jpeg_of(0xFFC1, 12), "a JPEG of 12 bits per sample", "codecs", "imagecodecs"),
]


@pytest.mark.parametrize(("data", "words", "extra", "library"), NEED_AN_EXTRA, ids=[case[1] for case in NEED_AN_EXTRA])
def test_without_its_extra_a_format_is_skipped_with_what_helps(
    data: bytes, words: str, extra: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    header = examination.examine(data, NONE, 100.0)
    assert header.reason == f"unsupported format: {words}; to read it, pip install 'keras-transfer[{extra}]'"
    assert not transcoded_path(NONE).exists()
    with pytest.raises(formats.UnsupportedError, match="pip install"):
        to_png(data)


ORDINARY = {
    "TIFF": e.saved(RGB, "TIFF"),
    "compressed TIFF": e.saved(RGB, "TIFF", compression="tiff_lzw"),
    "pages": e.saved(RGB, "TIFF", save_all=True, append_images=[RGB]),
    "TIFF of a camera": e.saved(RGB, "TIFF", tiffinfo={271: "NIKON CORPORATION", 272: "NIKON D70"}),
    "big-endian TIFF": b"MM\0*\0\0\0\x08" + bytes(6),
    "TIFF whose directory is its own successor": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "TIFF cut": DNG[:60],
    "JPEG": e.saved(RGB, "JPEG", progressive=True),
    "PNG": e.saved(RGB, "PNG"),
    "AVI's relative": e.saved(RGB, "WEBP"),
    "HEIC": e.heic(RGB),
}


@pytest.mark.parametrize("data", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_files_are_left_to_pillow(data: bytes) -> None:
    assert formats.recognised(data) is None
    assert readers.reader_of(data) is None


def test_a_big_endian_raw_file_is_recognised() -> None:
    entries = struct.pack(">HHIHH", 262, 3, 1, 32803, 0) + struct.pack(">HHII", 271, 2, 18, 38)
    data = b"MM\0*" + struct.pack(">IH", 8, 2) + entries + bytes(4) + b"NIKON CORPORATION\0"
    assert raw_tiff.kind(data) == "NEF"


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(lambda start, rest: start + rest, st.sampled_from([b"II*\0", b"MM\0*", b"\xff\xd8\xff"]), st.binary(max_size=200)),
    )
)
def test_no_bytes_are_an_error(data: bytes) -> None:
    found = formats.named(data)
    assert found is None or formats.refusal(found).startswith(("unsupported format: ", "not an image: "))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(DNG.index(b"\xfe\0\4\0"), len(DNG) - 1), st.integers(0, 255)), max_size=12))
def test_no_damage_to_a_raw_file_is_an_error(edits: list[tuple[int, int]]) -> None:
    damaged = bytearray(DNG)
    for place, value in edits:
        damaged[place] = value
    formats.recognised(bytes(damaged))
