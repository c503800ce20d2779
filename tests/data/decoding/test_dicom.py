"""DICOM: the samples stand for what the file says, whatever their sign, slope, colours or compression; other files are named."""

import io
import sys
import warnings
from typing import Any

import numpy as np
import pytest

from tests.data.decoding import encoders as e
from tests.data.decoding.odd_files import read_or_refused
from transfer.data.decoding import dicom, examination
from transfer.data.decoding.formats import UnreadableError, UnsupportedError
from transfer.data.decoding.transcode import to_png, transcoded_path

pydicom = pytest.importorskip("pydicom", exc_type=ImportError)

NONE = "0" * 64
PLAIN = "1.2.840.10008.1.2.1"
WAVES = e.smooth(40, 30)
GREY = np.ascontiguousarray(WAVES[:, :, 0])
TWELVE = (GREY.astype(np.uint16) * 16).astype(np.uint16)
FULL = np.rint(TWELVE * (65535 / 4095)).astype(np.uint16)
UNITS = (TWELVE.astype(np.int16) - 1024).astype(np.int16)
SIGNED = (GREY.astype(np.int16) * 20 - 2000).astype(np.int16)


def encoded(samples: np.ndarray, syntax: str = PLAIN, frame: bytes = b"", **tags: Any) -> bytes:
    """Encode samples [h, w], [h, w, 3] or, with `NumberOfFrames`, more of them as DICOM; `frame`: their compressed form."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid(entropy_srcs=["one"])
    shape = samples.shape[1:] if "NumberOfFrames" in tags else samples.shape
    bits = 8 * samples.dtype.itemsize
    dataset.Modality, dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = "OT", shape[0], shape[1], 3 if len(shape) == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if len(shape) == 3 else "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.PixelRepresentation = bits, bits, int(samples.dtype.kind == "i")
    if len(shape) == 3:
        dataset.PlanarConfiguration = 0
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelData = encapsulate([frame]) if frame else samples.tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 or frame else "OW"
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def colour_map(colours: np.ndarray) -> dict[str, Any]:
    """Return the tags of a palette, uint8 [256, 3]."""
    tables = {"Red": colours[:, 0], "Green": colours[:, 1], "Blue": colours[:, 2]}
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, values in tables.items():
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tags[f"{name}PaletteColorLookupTableData"] = (values.astype("<u2") * 257).tobytes()
    return tags


RAINBOW = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 9)], 1).astype(np.uint8)
KINDS: dict[str, tuple[bytes, np.ndarray]] = {
    "8 bits": (encoded(GREY), GREY),
    "RGB": (encoded(WAVES), WAVES),
    "RGB in planes": (encoded(WAVES.transpose(2, 0, 1).reshape(30, 40, 3), PlanarConfiguration=1), WAVES),
    "more for blacker": (encoded(GREY, PhotometricInterpretation="MONOCHROME1"), 255 - GREY),
    "1 of 8 bits": (encoded(GREY // 128, BitsStored=1), GREY // 128 * 255),
    "16 bits": (encoded(TWELVE), TWELVE),
    "12 of 16 bits": (encoded(TWELVE, BitsStored=12), FULL),
    "12 bits, more for blacker": (
        encoded(TWELVE, BitsStored=12, PhotometricInterpretation="MONOCHROME1"),
        np.rint((4095 - TWELVE.astype(int)) * (65535 / 4095)).astype(np.uint16),
    ),
    "12 bits below an overlay": (encoded(TWELVE | 0xF000, BitsStored=12), FULL),
    "signed": (encoded(SIGNED), SIGNED),
    "12 signed bits": (encoded((SIGNED & 0xFFF).astype(np.uint16), BitsStored=12, PixelRepresentation=1), (SIGNED + 2048) % 4096 - 2048),
    "Hounsfield units": (encoded(TWELVE, BitsStored=12, RescaleSlope=1, RescaleIntercept=-1024), UNITS),
    "a slope with a fraction": (encoded(TWELVE, RescaleSlope=0.5, RescaleIntercept=-2), (TWELVE / 2 - 2).astype(np.float32)),
    "a whole slope": (encoded(GREY, RescaleSlope=300, RescaleIntercept=0), GREY.astype(np.int32) * 300),
    "an identity slope": (encoded(TWELVE, BitsStored=12, RescaleSlope=1, RescaleIntercept=0), FULL),
    "the first frame": (encoded(np.stack([GREY, 255 - GREY]), NumberOfFrames=2), GREY),
    "a palette": (encoded(GREY, **colour_map(RAINBOW)), RAINBOW[GREY]),
    "big-endian": (encoded(TWELVE.astype(">u2"), "1.2.840.10008.1.2.2"), TWELVE),
}  # fmt: skip


@pytest.mark.parametrize("what", KINDS)
def test_samples_are_what_the_file_says_they_are(what: str) -> None:
    data, expected = KINDS[what]
    image = dicom.samples(data)
    assert image.dtype == expected.dtype
    assert (image == expected).all()
    assert dicom.size(data) == (30, 40)
    assert dicom.is_deep(data) == (expected.dtype.itemsize > 1 and what != "a whole slope")


@pytest.mark.parametrize("place", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_the_slope_of_a_multi_frame_image_is_found(place: str) -> None:
    transformation, group = pydicom.Dataset(), pydicom.Dataset()
    transformation.RescaleSlope, transformation.RescaleIntercept = 1, -1000
    group.PixelValueTransformationSequence = [transformation]
    data = encoded(np.stack([TWELVE, TWELVE]), NumberOfFrames=2, BitsStored=12, **{place: [group]})
    assert (dicom.samples(data) == TWELVE.astype(int) - 1000).all()


def test_a_dicom_file_is_transcoded_whatever_it_is_called() -> None:
    header = examination.examine(encoded(TWELVE, BitsStored=12), NONE, 1.0)
    assert header[:4] == ("DICOM", 40, 30, ("uint16",))
    assert (header.transcoded, header.reason) == (True, "")
    assert transcoded_path(NONE).exists()


SYNTAXES = [
    ("1.2.840.10008.1.2.4.70", "jpeg_encode", {"lossless": True, "bitspersample": 16}, "JPEG Lossless"),
    ("1.2.840.10008.1.2.4.80", "jpegls_encode", {}, "JPEG-LS Lossless"),
    ("1.2.840.10008.1.2.4.51", "jpeg_encode", {"level": 100, "bitspersample": 12}, "JPEG Extended"),
]


@pytest.mark.parametrize(("syntax", "encoder", "settings", "name"), SYNTAXES, ids=[case[3] for case in SYNTAXES])
def test_compressed_files_are_read_where_imagecodecs_is_there_and_otherwise_named(
    syntax: str, encoder: str, settings: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    codecs = pytest.importorskip("imagecodecs", exc_type=ImportError)
    data = encoded(TWELVE, syntax, getattr(codecs, encoder)(TWELVE, **settings), BitsStored=12)
    assert np.abs(dicom.samples(data).astype(int) - TWELVE * (65535 / 4095)).max() <= (40 if "level" in settings else 1)
    signed = encoded(SIGNED, syntax, getattr(codecs, encoder)((SIGNED & 0xFFF).astype(np.uint16), **settings), BitsStored=12)
    if "level" not in settings:
        assert (dicom.samples(signed) == (SIGNED + 2048) % 4096 - 2048).all()
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    header = examination.examine(data, NONE, 1.0)
    assert header.reason.startswith(f"unsupported format: DICOM compressed as {name}")
    assert header.reason.endswith("; to read it, pip install 'keras-transfer[codecs]'")
    assert not transcoded_path(NONE).exists()


def _without_pixels() -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(encoded(GREY)))
    for name in ("Rows", "Columns", "PixelData"):
        delattr(dataset, name)
    dataset.Modality = "SR"
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


NOT_READ = [
    (_without_pixels(), "not an image: a DICOM file without pixels (SR)"),
    (encoded(GREY, "1.2.840.10008.1.2.1.99"), "unsupported format: a deflated DICOM file; decompress it, for example with gdcmconv --raw"),
    (encoded(GREY, "1.2.840.10008.1.2.4.100", b"\0\0\1\xba"), "unsupported format: DICOM compressed as MPEG2 Main Profile / Main Level; "),
    (encoded(GREY)[:-700], "damaged: not a whole DICOM file (ValueError)"),
    (encoded(GREY)[:200], "damaged: not a whole DICOM file ("),
    (encoded(GREY)[:150], "damaged: not a whole DICOM file ("),
]


@pytest.mark.parametrize(("data", "reason"), NOT_READ, ids=[reason[:60] for _, reason in NOT_READ])
def test_what_is_not_read_has_a_reason(data: bytes, reason: str) -> None:
    assert examination.examine(data, NONE, 1.0).reason.startswith(reason)
    assert not transcoded_path(NONE).exists()


def test_too_many_pixels_are_refused_from_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(examination, "transcode", refuse)
    header = examination.examine(encoded(GREY, Rows=40000, Columns=30000), NONE, 100.0)
    assert header.reason.startswith("too large: 1200 megapixels")


def test_a_compressed_frame_larger_than_its_header_says_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    codecs = pytest.importorskip("imagecodecs", exc_type=ImportError)
    data = encoded(GREY, "1.2.840.10008.1.2.4.80", codecs.jpegls_encode(np.zeros((300, 400), np.uint8)))
    monkeypatch.setattr(codecs, "jpegls_decode", lambda *_: pytest.fail("decoded"))
    assert examination.examine(data, NONE, 1.0).reason == "damaged: its frame has another size than its header says"


def test_values_that_are_not_as_the_standard_wants_them_are_no_warning() -> None:
    odd = encoded(GREY).replace(b"1.2.826.0.1.3680043.8.498.", b"1.02.26.0.1.3680043.8.498.")  # a component with a leading zero
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_png(odd)


@pytest.mark.parametrize("what", ["12 of 16 bits", "a palette", "Hounsfield units", "the first frame"])
def test_damage_is_an_unreadable_error_or_an_image(what: str) -> None:
    whole, generator = KINDS[what][0], np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        for place in generator.integers(132, min(len(data), 900), 3):
            data[place] = generator.integers(256)
        read_or_refused(bytes(data), 1e6)


def test_an_error_of_the_format_is_an_error_of_reading() -> None:
    assert issubclass(UnsupportedError, UnreadableError)
