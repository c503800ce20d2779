"""Formats that come in through Pillow: upright once, without loss, and never larger than allowed."""

import io
import struct
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.data.decoding import encoders as e
from transfer.data.decoding import examination, transcode
from transfer.data.decoding.transcode import to_png, transcoded_path

RGB = Image.fromarray(e.smooth(64, 48))
NONE = "0" * 64
LARGE = (20000, 31000)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(int)


def turned(value: int) -> np.ndarray:
    """Return the pixels of `RGB` with an EXIF orientation, upright."""
    exif = Image.Exif()
    exif[0x0112] = value
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(e.saved(RGB, "PNG", exif=exif)))).convert("RGBA")).astype(int)


def avif(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return e.saved(RGB, "AVIF", quality=100, subsampling="4:4:4", exif=exif)


ENCODERS: dict[str, tuple[Callable[[int], bytes], int]] = {
    "HEIC": (lambda value: e.heic(RGB, value), 0),
    "TIFF": (lambda value: e.saved(RGB, "TIFF", tiffinfo={0x0112: value}), 0),
    **({"AVIF": (avif, 3)} if e.HAS_AVIF else {}),
}


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("format", ENCODERS)
def test_a_turned_image_is_turned_upright_exactly_once(format: str, value: int) -> None:
    encode, tolerance = ENCODERS[format]
    result, expected = pixels(to_png(encode(value))), turned(value)
    assert result.shape == expected.shape
    assert np.abs(result - expected).max() <= tolerance


FLOATS = np.linspace(0, 1, 64 * 48, dtype=np.float32).reshape(48, 64)
HOLES = np.where(FLOATS > 0.99, np.nan, FLOATS).astype(np.float32)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (e.saved(RGB, "TIFF", save_all=True, append_images=[RGB.rotate(180)]), np.asarray(RGB)),
        (e.saved(RGB, "TIFF", compression="tiff_lzw"), np.asarray(RGB)),
        (e.tiff(e.smooth(64, 48).astype(np.uint16) * 257), np.asarray(RGB)),
        (e.saved(RGB.convert("CMYK"), "TIFF"), np.asarray(RGB)),
        (e.saved(Image.fromarray(FLOATS), "TIFF"), np.rint(FLOATS * 255)),
        (e.saved(Image.fromarray(HOLES), "TIFF"), np.rint(np.nan_to_num(HOLES) * 255)),
    ],
    ids=["pages", "compressed", "16-bit", "CMYK", "floats to 1", "floats that are none"],
)
def test_every_kind_of_tiff_keeps_its_pixels(data: bytes, expected: np.ndarray) -> None:
    result = pixels(to_png(data))[:, :, :3]
    expected = expected if expected.ndim == 3 else np.repeat(expected[:, :, np.newaxis], 3, 2)
    assert np.abs(result - expected).max() <= 1


def _larger(data: bytes, size: tuple[int, int]) -> bytes:
    """Return HEIC or AVIF whose header says another size."""
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", *size) + data[place + 8 :]


def _larger_tiff(size: tuple[int, int]) -> bytes:
    """Return an uncompressed TIFF whose header says another size."""
    data = bytearray(e.saved(RGB, "TIFF"))
    start = struct.unpack_from("<I", data, 4)[0]
    for number in range(struct.unpack_from("<H", data, start)[0]):
        entry = start + 2 + 12 * number
        tag = struct.unpack_from("<H", data, entry)[0]
        if tag in (256, 257):
            struct.pack_into("<HHII", data, entry, tag, 4, 1, size[tag - 256])
    return bytes(data)


SQUARE = Image.fromarray(e.smooth(64, 64))  # HEIC stores other sizes larger, and cut
BOMBS = {
    "HEIC": _larger(e.heic(SQUARE), LARGE),
    "TIFF": _larger_tiff(LARGE),
    **({"AVIF": _larger(e.saved(RGB, "AVIF"), (12000, 12000))} if e.HAS_AVIF else {}),
}


@pytest.mark.parametrize("format", BOMBS)
def test_too_many_pixels_are_refused_from_the_header(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(examination, "transcode", refuse)
    header = examination.examine(BOMBS[format], NONE, 100.0)
    assert header.reason.startswith("too large: ")
    assert header.width * header.height > 1e8


@pytest.mark.parametrize("limit", [1000, None])
def test_pillows_own_limit_does_not_count_and_stays_as_it_is(limit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    results = [to_png(data) for data in (e.saved(RGB, "TIFF"), e.heic(RGB))]
    assert limit == Image.MAX_IMAGE_PIXELS
    monkeypatch.undo()
    for result in results:
        assert (pixels(result) == turned(1)).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("format", ENCODERS)
def test_a_cut_image_is_damaged_and_leaves_nothing_in_the_cache(format: str, share: float) -> None:
    header = examination.examine(e.cut(ENCODERS[format][0](1), share), NONE, 100.0)
    assert header.reason.startswith("damaged: ")
    assert not transcoded_path(NONE).exists()


def test_heic_is_known_without_anyone_having_registered_it_and_loaded_late() -> None:
    program = (
        "import sys\nfrom transfer.data.decoding.transcode import opened\nfrom transfer.data.decoding.examination import examine\n"
        f"data = bytes.fromhex('{e.saved(RGB, 'TIFF').hex()}')\n"
        "with opened(data) as image:\n    assert image.format == 'TIFF'\n"
        "assert 'pillow_heif' not in sys.modules\n"
        f"with opened(bytes.fromhex('{e.heic(RGB).hex()}')) as image:\n    assert image.format == 'HEIF'\n"
    )
    done = subprocess.run([sys.executable, "-"], input=program.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_what_is_transcoded_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data, calls = e.heic(RGB), []
    really = transcode.to_png
    monkeypatch.setattr(transcode, "to_png", lambda *given: calls.append(1) or really(*given))
    assert [examination.examine(data, NONE, 1.0).transcoded for _ in range(2)] == [True] * 2
    assert len(calls) == 1
    assert (pixels(transcoded_path(NONE).read_bytes()) == turned(1)).all()
