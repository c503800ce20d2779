"""Camera raw files are developed in full, upright, and never taken at the size of their preview."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from tests.data.decoding import encoders as e
from tests.data.decoding.odd_files import read_or_refused
from transfer.data.decoding import examination, raw
from transfer.data.decoding.formats import UnsupportedError
from transfer.data.decoding.transcode import to_png, transcoded_path

pytest.importorskip("rawpy", exc_type=ImportError)

PREVIEW = Image.new("RGB", (32, 24), "green")
WIDTH, HEIGHT = 160, 120
NONE = "0" * 64


def sensor() -> np.ndarray:
    """Return sensor data of a red image whose left upper quarter is white."""
    data = np.zeros((HEIGHT, WIDTH), np.uint16)
    data[::2, ::2] = 3000  # the red cells of RGGB
    data[: HEIGHT // 2, : WIDTH // 2] = 3000
    return data


def brightest_corner(image: np.ndarray) -> tuple[bool, bool]:
    """Return whether the white quarter is at the bottom, and whether it is at the right."""
    green = image[:, :, 1].astype(int)
    rows, columns = green.mean(1), green.mean(0)
    return rows[: len(rows) // 2].mean() < rows[len(rows) // 2 :].mean(), columns[: len(columns) // 2].mean() < columns[
        len(columns) // 2 :
    ].mean()


def test_the_sensor_is_read_and_not_the_preview() -> None:
    data = e.camera_raw(sensor(), PREVIEW)
    assert raw.size(data) == (HEIGHT, WIDTH)
    image = raw.samples(data)
    assert (image.shape, image.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    red, green = image[-40:, -40:, 0].mean(), image[-40:, -40:, 1].mean()
    assert red > green + 50, "the preview is green"
    assert brightest_corner(image) == (False, False)


@pytest.mark.parametrize(("orientation", "corner"), [(1, (False, False)), (3, (True, True)), (6, (False, True)), (8, (True, False))])
def test_it_is_turned_upright_once(orientation: int, corner: tuple[bool, bool]) -> None:
    data = e.camera_raw(sensor(), PREVIEW, orientation)
    image = raw.samples(data)
    assert image.shape[:2] == raw.size(data) == ((WIDTH, HEIGHT) if orientation > 4 else (HEIGHT, WIDTH))
    assert brightest_corner(image) == corner
    assert Image.open(io.BytesIO(to_png(data))).size == image.shape[1::-1]


def test_a_raw_file_is_transcoded_whatever_it_is_called() -> None:
    header = examination.examine(e.camera_raw(sensor(), PREVIEW), NONE, 1.0)
    assert (header.format, header.width, header.height, header.transcoded, header.reason) == ("DNG", WIDTH, HEIGHT, True, "")
    assert np.asarray(Image.open(transcoded_path(NONE))).shape == (HEIGHT, WIDTH, 3)


def test_too_many_pixels_are_refused_from_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(examination, "transcode", refuse)
    header = examination.examine(e.camera_raw(sensor(), PREVIEW, sides=(40000, 30000)), NONE, 100.0)
    assert header.reason.startswith("too large: 1200 megapixels")


def test_what_libraw_does_not_know_is_named() -> None:
    data = b"FUJIFILMCCD-RAW 0201" + bytes(4000)
    with pytest.raises(UnsupportedError, match=r"unsupported format: a camera raw file that LibRaw \d+\.\d+ does not read; convert it"):
        raw.size(data)
    assert examination.examine(data, NONE, 1.0).reason.startswith("unsupported format: a camera raw file that LibRaw")


@pytest.mark.parametrize("left", [10, 1000, 20000])
def test_a_file_that_ends_in_its_sensor_data_is_damaged_and_leaves_nothing_in_the_cache(left: int) -> None:
    data = bytearray(e.camera_raw(sensor(), PREVIEW))
    place = data.index(struct.pack("<HHII", 273, 4, 1, 8 + PREVIEW.width * PREVIEW.height * 3))
    struct.pack_into("<I", data, place + 8, len(data) - left)
    assert examination.examine(bytes(data), NONE, 1.0).reason.startswith("damaged: not a whole camera raw file")
    assert not transcoded_path(NONE).exists()


def test_a_compression_that_libraw_does_not_know_is_named() -> None:
    data = bytearray(e.camera_raw(sensor(), PREVIEW))
    place = data.index(struct.pack("<HHIH", 259, 3, 1, 1), 8 + PREVIEW.width * PREVIEW.height * 3)
    struct.pack_into("<H", data, place + 8, 52546)  # JPEG XL, since DNG 1.7
    assert examination.examine(bytes(data), NONE, 1.0).reason.startswith("unsupported format: a camera raw file that LibRaw")


@pytest.mark.parametrize("seed", range(30))
def test_damage_is_an_unreadable_error_or_an_image(seed: int) -> None:
    generator = np.random.default_rng(seed)
    data = bytearray(e.camera_raw(sensor()[:32, :32], PREVIEW))
    start = 8 + 32 * 24 * 3 + 32 * 32 * 2
    for place in generator.integers(start, len(data), 3):
        data[place] = generator.integers(256)
    read_or_refused(bytes(data), 1e7)
