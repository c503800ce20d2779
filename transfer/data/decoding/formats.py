"""Formats that neither TensorFlow nor Pillow reads, recognised by their bytes: what each is called, and what helps.

Some are read with an extra (`readers.py`).
Sources: ITU-T T.81 and T.87 (JPEG, JPEG-LS); DICOM PS3.10, section 7.1; ISO/IEC 18181-2 (JPEG XL); the other signatures are in the
documents of each format.
"""

import zlib
from typing import NamedTuple

from transfer.data.decoding import headers, raw_tiff

CONVERT = "convert it to PNG or TIFF"
_UNPACK = "unpack it"


class UnreadableError(Exception):
    """A file that cannot be read as an image; the text says why."""


class UnsupportedError(UnreadableError):
    """A whole file of a format that is not read; the text names the format and says what helps."""


class Format(NamedTuple):
    """A format that is recognised.

    Attributes:
        name: short, as in the column `format` of a manifest.
        words: for messages, such as `a Canon raw file (CR2)`.
        extra: the extra of this package that reads it; empty: none does.
        remedy: what helps where it is not read.
        image: it holds an image; otherwise something else, such as a video.
    """

    name: str
    words: str
    extra: str = ""
    remedy: str = CONVERT
    image: bool = True


def _raw(name: str, maker: str) -> Format:
    words = f"{'an' if maker[:1] in 'EO' else 'a'} {maker} raw file ({name})" if maker else f"a camera raw file ({name})"
    return Format(name, words, "raw")


_IN_TIFF = {
    "DNG": _raw("DNG", ""), "NEF": _raw("NEF", "Nikon"), "ARW": _raw("ARW", "Sony"), "PEF": _raw("PEF", "Pentax"),
    "SRW": _raw("SRW", "Samsung"), "3FR": _raw("3FR", "Hasselblad"), "ERF": _raw("ERF", "Epson"), "DCR": _raw("DCR", "Kodak"),
    "MOS": _raw("MOS", "Leaf"), "RAW": Format("RAW", "a camera raw file", "raw"),
}  # fmt: skip


def _other(name: str, words: str, remedy: str = CONVERT) -> Format:
    return Format(name, words, remedy=remedy)


def _no_image(name: str, words: str, remedy: str = "") -> Format:
    return Format(name, words, remedy=remedy, image=False)


_DICOM = Format("DICOM", "a DICOM file", "dicom")
_JPEG_XL = Format("JPEG XL", "a JPEG XL image", "codecs")
_EPS = _other("EPS", "a PostScript drawing (EPS)", "export it as PNG")
_WMF = _other("WMF", "a Windows drawing (WMF or EMF)", "export it as PNG")

_NOT_FOR_PILLOW: list[tuple[int, bytes, Format]] = [
    (8, b"CR\x02", _raw("CR2", "Canon")), (4, b"ftypcrx ", _raw("CR3", "Canon")), (6, b"HEAPCCDR", _raw("CRW", "Canon")),
    (0, b"FUJIFILMCCD-RAW", _raw("RAF", "Fujifilm")), (0, b"IIU\0", _raw("RW2", "Panasonic")),
    (0, b"IIRO", _raw("ORF", "Olympus")), (0, b"IIRS", _raw("ORF", "Olympus")), (0, b"MMOR", _raw("ORF", "Olympus")),
    (0, b"\0MRM", _raw("MRW", "Minolta")), (0, b"FOVb", _raw("X3F", "Sigma")), (8, b"IIIITwaR", _raw("IIQ", "Phase One")),
    (8, b"MMMMRawT", _raw("IIQ", "Phase One")), (128, b"DICM", _DICOM),
    (0, b"\xff\x0a", _JPEG_XL), (0, b"\0\0\0\x0cJXL \r\n\x87\n", _JPEG_XL),
    # Drawings: Pillow would hand them to Ghostscript or to Windows, where there is one.
    (0, b"%!PS", _EPS), (0, b"\xc5\xd0\xd3\xc6", _EPS), (0, b"\xd7\xcd\xc6\x9a", _WMF), (40, b" EMF", _WMF),
]  # fmt: skip

_BARE_DICOM = _other("DICOM", "a DICOM file without its file header", "write it anew with a DICOM tool, such as dcmconv of DCMTK")
_BARE_DICOM_STARTS = (b"\x08\0\x05\0CS", b"\0\x08\0\x05CS", b"\x08\0\x05\0\x0a\0\0\0", b"\x08\0\x08\0CS", b"\x08\0\0\0UL", b"\x02\0\0\0UL")
_VIDEO = _no_image("video", "a video", "extract its frames as images")
_AUDIO = _no_image("audio", "a sound file")
_SVG = _other("SVG", "an SVG drawing", "export it as PNG")
_NIFTI = _other("NIfTI", "a NIfTI volume", "export its slices as PNG or TIFF")
_IPTC = _other("IPTC", "an IPTC file")
_GZIP = _no_image("gzip", "a gzip archive", _UNPACK)

_UNREAD: list[tuple[int, bytes, Format]] = [
    (0, b"%PDF", _other("PDF", "a PDF document", "export its pages as PNG")),
    (0, b"8BPS", _other("PSD", "a Photoshop document (PSD)")), (0, b"gimp xcf", _other("XCF", "a GIMP document (XCF)")),
    (0, b"v/1\x01", _other("EXR", "an OpenEXR image")), (0, b"#?RADIANCE", _other("HDR", "a Radiance image (HDR)")),
    (0, b"#?RGBE", _other("HDR", "a Radiance image (HDR)")), (0, b"II\xbc", _other("JPEG XR", "a JPEG XR image")),
    (0, b"\xff\x10\xff\x50", _other("JPEG XS", "a JPEG XS image")), (0, b"BPG\xfb", _other("BPG", "a BPG image")),
    (0, b"AT&TFORM", _other("DjVu", "a DjVu document")), (0, b"SIMPLE  =", _other("FITS", "a FITS image")),
    (0, b"\x93NUMPY", _other("NumPy", "a NumPy array (.npy)")), (0, b"\x89HDF\r\n\x1a\n", _other("HDF5", "an HDF5 file")),
    (0, b"MATLAB 5.0", _other("MATLAB", "a MATLAB file")), (0, b"NRRD", _other("NRRD", "an NRRD volume")),
    (0, b"icns", _other("ICNS", "an icon of macOS (ICNS)")), (0, b"DDS ", _other("DDS", "a DDS texture")),
    (0, b"qoif", _other("QOI", "a QOI image")), (0, b"/* XPM */", _other("XPM", "an XPM image")),
    (0, b"\x59\xa6\x6a\x95", _other("Sun", "a Sun raster")), (0, b"\x1c\x02\0\0\2", _IPTC), (0, b"\x1c\3", _IPTC), (0, b"\x1c\1", _IPTC),
    (0, b"GRIB", _other("GRIB", "a GRIB file")), (0, b"BUFR", _other("BUFR", "a BUFR file")),
    (0, b"SDPX", _other("DPX", "a DPX image")), (0, b"XPDS", _other("DPX", "a DPX image")),
    (0, b"ZISRAWFILE", _other("CZI", "a Zeiss image (CZI)")), (0, b"\xda\xce\xbe\x0a", _other("ND2", "a Nikon microscope image (ND2)")),
    *((0, start, _BARE_DICOM) for start in _BARE_DICOM_STARTS),
    (0, b"\x8aMNG", _other("MNG", "an MNG animation")), (344, b"n+1\0", _NIFTI), (344, b"ni1\0", _NIFTI), (4, b"n+2\0", _NIFTI),
    (8, b"AVI ", _VIDEO), (0, b"\x1aE\xdf\xa3", _VIDEO), (0, b"\0\0\x01\xba", _VIDEO), (0, b"\0\0\x01\xb3", _VIDEO), (0, b"FLV", _VIDEO),
    (0, b"0&\xb2u\x8ef\xcf\x11", _VIDEO), (4, b"moov", _VIDEO), (4, b"mdat", _VIDEO), (8, b"WAVE", _AUDIO), (0, b"ID3", _AUDIO),
    (0, b"fLaC", _AUDIO), (0, b"OggS", _no_image("Ogg", "a video or sound file (Ogg)")),
    (0, b"PK\x03\x04", _no_image("ZIP", "a ZIP archive", _UNPACK)), (0, b"\x1f\x8b", _GZIP),
    (0, b"BZh", _no_image("bzip2", "an archive", _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", _no_image("7z", "an archive (7z)", _UNPACK)), (0, b"Rar!", _no_image("RAR", "an archive (RAR)", _UNPACK)),
    (0, b"\xfd7zXZ", _no_image("xz", "an archive (xz)", _UNPACK)), (257, b"ustar", _no_image("tar", "an archive (tar)", _UNPACK)),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _no_image("Office", "an Office document or a thumbnail database")),
    (0, b"SQLite format 3", _no_image("SQLite", "a database")),
    (0, b"version https://git-lfs", _no_image("Git LFS", "a pointer to a file in Git LFS", "fetch the file with git lfs pull")),
]  # fmt: skip

_STILL_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"msf1", b"hevc", b"hevx", b"avif", b"avis", b"miaf")
_INFLATED = 4096  # bytes of a gzip file that are looked at

_HIERARCHICAL = (0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)  # and lossless in arithmetic coding
_LOSSLESS, _JPEG_LS = 0xC3, 0xF7


def recognised(data: bytes) -> Format | None:
    """Return the format if the file must not be given to Pillow: it needs a reader of its own, or none reads it."""
    found = _signed(data, _NOT_FOR_PILLOW)
    if found is None and data[:4] in (b"II*\0", b"MM\0*"):
        found = _IN_TIFF.get(raw_tiff.kind(data))
    if found is None and data.startswith(b"\xff\xd8\xff"):
        found = _unusual_jpeg(data)
    return found


def named(data: bytes) -> Format | None:
    """Return the format of a file that Pillow does not know, or of any that `recognised` knows; None if it has no known signature."""
    found = recognised(data) or _signed(data, _UNREAD)
    if found is _GZIP:
        return _in_gzip(data)
    if found is None and data[4:8] == b"ftyp" and data[8:12] not in _STILL_BRANDS:
        found = _VIDEO
    if found is None and b"<svg" in data[:4096] and data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" and b"<html" not in data[:4096].lower():
        found = _SVG
    return found


def refusal(format: Format, installable: bool = True) -> str:
    """Return the reason why a file of this format is not used.

    Args:
        format: of the file.
        installable: whoever reads it can install an extra.
    """
    if not format.image:
        return f"not an image: {format.words}" + (f"; {format.remedy}" if format.remedy else "")
    remedy = f"to read it, pip install 'keras-transfer[{format.extra}]'" if format.extra and installable else format.remedy
    return f"unsupported format: {format.words}; {remedy}"


def _signed(data: bytes, signatures: list[tuple[int, bytes, Format]]) -> Format | None:
    return next((format for position, signature, format in signatures if data.startswith(signature, position)), None)


def _in_gzip(data: bytes) -> Format:
    try:
        inside = named(zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, _INFLATED))
    except zlib.error:
        return _GZIP
    return inside._replace(words=f"{inside.words} in a gzip archive", extra="") if inside else _GZIP


def _unusual_jpeg(data: bytes) -> Format | None:
    frame = headers.jpeg_frame(data)
    if frame is None:
        return None
    if frame.marker == _JPEG_LS:
        return Format("JPEG-LS", "a JPEG-LS image", "codecs")
    if frame.marker in _HIERARCHICAL:
        return Format("JPEG", "a JPEG of a rare kind (hierarchical, or lossless in arithmetic coding)")
    if frame.marker == _LOSSLESS:
        return Format("JPEG", "a lossless JPEG", "codecs")
    return Format("JPEG", "a JPEG of 12 bits per sample", "codecs") if frame.precision == 12 else None
