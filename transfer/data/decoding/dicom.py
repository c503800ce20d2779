"""DICOM images, read by pydicom (the extra `dicom`): the first frame, with the values that the file says its samples stand for.

Sources: DICOM PS3.3, sections C.7.6.3 (image pixel), C.11.1 (modality LUT: rescale slope and intercept), C.7.6.16.2.9 (the same of
multi-frame images); PS3.5, annex A (transfer syntaxes).
"""

import io
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from transfer.data.decoding import formats, headers, other_jpeg
from transfer.data.decoding.formats import UnreadableError, UnsupportedError

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_META = 65536  # bytes in which the file header names its transfer syntax
_DECOMPRESS = "decompress it, for example with gdcmconv --raw"
_Result = TypeVar("_Result")
_INVERTED, _PALETTE = "MONOCHROME1", "PALETTE COLOR"


def size(data: bytes) -> tuple[int, int]:
    """Return height and width of a frame, from the header.

    Raises:
        UnreadableError: if it has no image, its header is damaged, or its transfer syntax is not read.
    """
    return _read(data, lambda header: (int(header.Rows), int(header.Columns)), stop_before_pixels=True)


def is_deep(data: bytes) -> bool:
    """Return whether the samples have more than 8 bits; see `size`."""

    def deep(header: Any) -> bool:
        return header.get("PhotometricInterpretation") != _PALETTE and int(header.get("BitsStored") or 8) > 8

    return _read(data, deep, stop_before_pixels=True)


def samples(data: bytes) -> np.ndarray:
    """Return the first frame: [h, w], more for whiter, or RGB [h, w, 3].

    The dtype is uint8 or uint16 if samples stand for themselves (unsigned ones of 9 to 15 bits are spread over all 16), otherwise,
    as for the Hounsfield units of a CT, the least of int16, uint16 and int32 that holds all rescaled values, or float32.

    Raises:
        UnreadableError: if it is damaged, or compressed in a way that nothing installed decodes.
    """
    image = _read(data, lambda dataset: _values(dataset, _stored(dataset)))
    return image.astype(image.dtype.newbyteorder("="), copy=False)


def _read(data: bytes, wanted: Callable[[Any], _Result], **settings: Any) -> _Result:
    """Return what is wanted of a file that has an image."""
    import pydicom

    if _DEFLATED in data[:_META]:  # pydicom would inflate it whatever it becomes
        raise UnsupportedError(f"unsupported format: a deflated DICOM file; {_DECOMPRESS}")
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), **settings)
        if dataset.get("Rows") and dataset.get("Columns"):
            return wanted(dataset)
        modality = str(dataset.get("Modality") or "")[:16]
        cut = not ("SOPClassUID" in dataset or "DirectoryRecordSequence" in dataset)
    except UnreadableError:
        raise
    except Exception as error:  # pydicom and the decoders that it calls raise all kinds of errors for damaged files
        raise UnreadableError(f"not a whole DICOM file ({type(error).__name__})") from None
    if cut:
        raise UnreadableError("not a whole DICOM file (it ends in its header)")
    raise UnsupportedError("not an image: a DICOM file without pixels" + (f" ({modality})" if modality else ""))


def _stored(dataset: Any) -> np.ndarray:
    """Return the samples of the first frame as they are stored; colours as RGB."""
    from pydicom.pixels import apply_color_lut, get_decoder, pixel_array

    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_compressed and (not _decodable(get_decoder, syntax) or _is_deep_jpeg(dataset)):
        image = _decoded_here(dataset, syntax.name)
    else:
        image = pixel_array(dataset, index=0)
    if dataset.PhotometricInterpretation == _PALETTE:
        colours = apply_color_lut(image, dataset)
        return (colours >> 8).astype(np.uint8) if colours.dtype == np.uint16 else colours
    return image


def _decodable(get_decoder: Any, syntax: Any) -> bool:
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:  # a video, or a private syntax
        return False


def _is_deep_jpeg(dataset: Any) -> bool:
    """Whether pydicom leaves a frame to Pillow, which reads no JPEG of 12 bits."""
    from pydicom import uid

    return dataset.file_meta.TransferSyntaxUID == uid.JPEGExtended12Bit and dataset.BitsStored > 8


def _decoded_here(dataset: Any, syntax: str) -> np.ndarray:
    """Decode the JPEG or JPEG-LS, grey or RGB, of a frame that pydicom cannot decode."""
    from pydicom.encaps import get_frame

    reason = f"unsupported format: DICOM compressed as {syntax}; "
    if dataset.SamplesPerPixel != 1 and dataset.PhotometricInterpretation != "RGB":
        raise UnsupportedError(reason + _DECOMPRESS)
    frame = get_frame(dataset.PixelData, 0, number_of_frames=int(dataset.get("NumberOfFrames") or 1)).rstrip(b"\0")
    format = formats.recognised(frame)
    if format is None or format.extra != "codecs":
        raise UnsupportedError(reason + _DECOMPRESS)
    header = headers.jpeg_frame(frame)
    if header is None or (header.height, header.width, header.components) != (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel):
        raise UnreadableError("its frame has another size than its header says")
    try:
        return other_jpeg.of_jpeg(frame)
    except ImportError:
        raise UnsupportedError(f"{reason}to read it, pip install 'keras-transfer[codecs]'") from None


def _values(dataset: Any, stored: np.ndarray) -> np.ndarray:
    """Return what the samples stand for, brighter for larger."""
    from pydicom.pixels import apply_modality_lut

    if dataset.PhotometricInterpretation == _PALETTE:
        return stored
    if stored.dtype.kind == "f" or "ModalityLUTSequence" in dataset:
        values = stored if stored.dtype.kind == "f" else apply_modality_lut(stored, dataset)
        inverted = dataset.PhotometricInterpretation == _INVERTED
        return values.max(initial=0) - values if inverted and values.dtype.kind == "f" else ~values if inverted else values
    bits, signed = int(dataset.BitsStored), bool(dataset.PixelRepresentation)
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = _rescaling(dataset)
    plain, inverted = (slope, intercept) == (1, 0) and not signed, dataset.PhotometricInterpretation == _INVERTED
    if plain and bits in (8, 16) and bits == 8 * stored.dtype.itemsize:
        return ~stored if inverted else stored
    image = stored.astype(np.int32 if bits < 16 else np.int64) & (2**bits - 1)  # above the stored bits may be overlays, or no sign
    image -= (image > most) * 2**bits
    if inverted:
        image = least + most - image
    if plain and bits <= 16:
        return ((image * 255 + most // 2) // most).astype(np.uint8) if bits <= 8 else other_jpeg.spread(image, bits)
    if not (slope.is_integer() and intercept.is_integer()):
        return (image * slope + intercept).astype(np.float32)
    image = image.astype(np.int64) * int(slope) + int(intercept)
    ends = sorted((least * int(slope) + int(intercept), most * int(slope) + int(intercept)))
    fitting = (t for t in (np.int16, np.uint16, np.int32) if np.iinfo(t).min <= ends[0] and ends[1] <= np.iinfo(t).max)
    return image.astype(next(fitting, np.float32))


def _rescaling(dataset: Any) -> tuple[float, float]:
    """Return slope and intercept of the first frame."""
    places = [dataset]
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in list(dataset.get(groups) or [])[:1]:
            places += list(group.get("PixelValueTransformationSequence") or [])[:1]
    slope, intercept = 1.0, 0.0
    for place in places:
        if place.get("RescaleSlope") is not None:
            slope, intercept = float(place.RescaleSlope), float(place.get("RescaleIntercept") or 0)
    return slope, intercept
