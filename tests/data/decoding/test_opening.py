"""Only the formats of an allow-list are opened, and no program is ever started for an image."""

import hashlib
import io
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import made_up_image
from tests.data.decoding import encoders as e
from tests.data.decoding.drawings import DRAWINGS, EPS, IN_IPTC
from tests.data.decoding.odd_files import CORPUS
from transfer.data.decoding import examination, opening
from transfer.data.decoding.formats import UnreadableError, UnsupportedError
from transfer.data.decoding.transcode import to_png
from transfer.serving import admission
from transfer.serving.refusals import ImageError

RGB = made_up_image(0, (20, 20))


def test_pillow_left_to_itself_would_call_ghostscript(gs: Path) -> None:
    # So the other tests see what they are meant to see.
    for data in (EPS, IN_IPTC):
        gs.unlink(missing_ok=True)
        with pytest.raises(Exception), Image.open(io.BytesIO(data)) as image:  # noqa: B017
            image.load()
        assert gs.exists()


@pytest.mark.parametrize("data", DRAWINGS.values(), ids=DRAWINGS)
def test_no_program_is_started_for_a_drawing(data: bytes, gs: Path) -> None:
    assert examination.examine(data, "0" * 64, 100.0).reason.startswith(("unsupported format: ", "not an image", "damaged"))
    with pytest.raises(UnreadableError):
        to_png(data)
    with pytest.raises(ImageError):
        admission.uploaded(data, 100.0)
    with pytest.raises(ImageError):
        admission.unusual(data, 100.0, None)
    assert not gs.exists()


def test_an_iptc_file_is_named() -> None:
    assert examination.examine(IN_IPTC, "0" * 64, 100.0).reason == "unsupported format: an IPTC file; convert it to PNG or TIFF"


def test_no_program_is_started_for_odd_files(gs: Path) -> None:
    for data in (odd.content for odd in CORPUS if isinstance(odd.content, bytes)):
        examination.examine(data, hashlib.sha256(data).hexdigest(), 100.0)
    assert not gs.exists()


@pytest.mark.parametrize(
    "format", sorted({*Image.ID, *Image.SAVE} | {"ICNS", "EPS", "DDS", "SGI", "IM", "MSP", "XBM", "SPIDER", "BLP", "QOI"})
)
def test_what_is_not_listed_is_not_opened(format: str) -> None:
    Image.init()
    for mode in ("RGB", "L", "1", "P", "RGBA", "F"):
        try:
            data = e.saved(RGB.convert(mode), format)
            break
        except Exception:
            continue
    else:
        pytest.skip("Pillow does not write it")
    known = {*opening.FORMATS, opening.HEIF, "MPO"}
    try:
        with opening.opened(data) as image:
            assert image.format in known
    except (UnreadableError, UnsupportedError):
        assert format not in opening.FORMATS or format == "DIB"


def test_every_listed_format_is_one_that_pillow_decodes_itself() -> None:
    Image.init()
    assert set(opening.FORMATS) <= {*Image.OPEN}
    assert not {"EPS", "WMF", "ICNS", "FITS", "IPTC", "PDF", "FPX", "MIC", "HDF5", "GRIB", "BUFR", "MPEG"} & set(opening.FORMATS)


def test_a_program_that_would_be_called_is_found_first(gs: Path) -> None:
    subprocess.run(["gs", "--version"], check=False)
    assert gs.read_text() == "gs --version\n"
