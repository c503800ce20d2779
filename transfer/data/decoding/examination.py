"""What a file is, judged by its header before any pixel is allocated, and what is unusual about it (its traits)."""

from PIL import Image

from transfer.data.decoding import headers
from transfer.data.decoding.deep import sample_type
from transfer.data.decoding.formats import UnreadableError, UnsupportedError
from transfer.data.decoding.headers import Header
from transfer.data.decoding.opening import opened
from transfer.data.decoding.readers import Reader, reader_of
from transfer.data.decoding.transcode import DECODED_BY_TENSORFLOW, deep_of, needs_transcoding, tiff_layout, transcode

_MOVING = frozenset({"GIF", "WEBP", "PNG", "AVIF"})  # the pages of a TIFF and the views of an MPO are not an animation
_ORIENTATION = 0x0112  # a tag of TIFF

_EXTENSIONS = {
    "JPEG": "jpg jpeg jpe jfif mpo", "PNG": "png apng", "GIF": "gif", "BMP": "bmp dib", "WEBP": "webp", "TIFF": "tif tiff",
    "HEIF": "heic heif hif", "AVIF": "avif heif hif", "ICO": "ico", "PPM": "ppm pgm pbm pnm", "JPEG2000": "jp2 j2k jpx jpf j2c",
    "TGA": "tga", "PSD": "psd",
}  # fmt: skip
_ALL_EXTENSIONS = frozenset(" ".join(_EXTENSIONS.values()).split())
_EXTENSIONS_OF = {format: frozenset(names.split()) for format, names in _EXTENSIONS.items()}
_TEXT = bytes(range(32, 127)) + b"\t\n\r\f"
_SIGNATURES = [
    (0, b"\xff\xd8\xff", "JPEG"), (0, b"\x89PNG", "PNG"), (0, b"GIF8", "GIF"), (8, b"WEBP", "WebP"), (4, b"jP  ", "JPEG 2000"),
    (4, b"ftypheic", "HEIF"), (4, b"ftypheix", "HEIF"), (4, b"ftypmif1", "HEIF"), (4, b"ftypavif", "AVIF"),
]  # fmt: skip


def examine(data: bytes, digest: str, max_megapixels: float) -> Header:
    """Judge a file by its bytes, whatever its name. Images that TensorFlow cannot decode are transcoded into the cache."""
    if not data:
        return Header(reason="empty file")
    header = headers.read(data)
    if header and header.sure:
        return header._replace(reason=_too_large(header.width, header.height, max_megapixels))
    return _with_library(data, digest, max_megapixels, header)


def _with_library(data: bytes, digest: str, max_megapixels: float, unsure: Header | None) -> Header:
    try:
        reader = reader_of(data)
        return _with_reader(reader, data, digest, max_megapixels) if reader else _with_pillow(data, digest, max_megapixels, unsure)
    except UnreadableError as error:
        return Header(reason=_why_unreadable(data, error))


def _with_reader(reader: Reader, data: bytes, digest: str, max_megapixels: float) -> Header:
    height, width = reader.size(data)
    reason = _too_large(width, height, max_megapixels) or _why_not_transcoded(data, digest)
    found = deep_of(data) if not reason and reader.is_deep(data) else None
    traits = (found.colors.dtype.name,) if found is not None else ()
    return Header(reader.format.name, width, height, traits, transcoded=not reason, reason=reason)


def _with_pillow(data: bytes, digest: str, max_megapixels: float, unsure: Header | None) -> Header:
    header = described(data)
    if unsure and "rotated" in unsure.traits and "rotated" not in header.traits:
        header = header._replace(traits=(*header.traits, "rotated"))
    reason = _too_large(header.width, header.height, max_megapixels)
    if header.transcoded and not reason:
        reason = _why_not_transcoded(data, digest)
    sure = unsure is not None and (unsure.width, unsure.height) == (header.width, header.height)
    return header._replace(sure=sure, transcoded=header.transcoded and not reason, reason=reason)


def described(data: bytes) -> Header:
    """Return the header of any image that can be read; `transcoded`: whether TensorFlow needs a PNG of it.

    Raises:
        UnreadableError: if it is not an image, or one that nothing here reads.
    """
    if reader := reader_of(data):
        height, width = reader.size(data)
        return Header(reader.format.name, width, height, transcoded=True)
    layout = tiff_layout(data)
    if layout is not None:
        words = {"alpha": bool(layout.alpha), layout.dtype: True, "rotated": layout.orientation > 1}
        return Header("TIFF", layout.width, layout.height, tuple(word for word, there in words.items() if there), transcoded=True)
    with opened(data) as image:
        width, height = image.size
        return Header(str(image.format), width, height, _traits(image, data), transcoded=needs_transcoding(image, data))


def _why_not_transcoded(data: bytes, digest: str) -> str:
    """Write the PNG of an image into the cache; return why that fails, or "" if it does not."""
    try:
        transcode(data, digest)
    except UnsupportedError as error:
        return str(error)
    except UnreadableError as error:
        return f"damaged: {error}"
    return ""


def _too_large(width: int, height: int, max_megapixels: float) -> str:
    megapixels = width * height / 1e6
    if megapixels <= max_megapixels:
        return ""
    return f"too large: {megapixels:.0f} megapixels, the limit is {max_megapixels:g} (data.max_megapixels)"


def _why_unreadable(data: bytes, error: UnreadableError) -> str:
    if isinstance(error, UnsupportedError):
        return str(error)
    if announced(data):
        return f"damaged: {not_whole(data)}"
    if not data[:512].translate(None, _TEXT):
        return "not an image: text"
    return "not an image: unknown format" if str(error) == "not an image" else f"damaged: {error}"


def announced(data: bytes) -> str:
    """Return the common format whose signature the first bytes of a file have; empty if there is none."""
    return next((format for position, signature, format in _SIGNATURES if data.startswith(signature, position)), "")


def not_whole(data: bytes) -> str:
    """Return the description of an image that cannot be decoded."""
    return f"not a whole {announced(data)} (truncated or broken)" if announced(data) else "truncated or broken"


def _traits(image: Image.Image, data: bytes) -> tuple[str, ...]:
    """Return the traits of an opened image, without decoding its pixels; all but `mislabelled`, and `rotated` of a JPEG."""
    found = {
        "alpha": bool(image.has_transparency_data),
        "animated": image.format in _MOVING and _moves(image),
        "cmyk": image.mode == "CMYK",
        sample_type(image): sample_type(image) != "uint8",
        "rotated": _rotated(image, data),
    }
    return tuple(word for word, there in found.items() if there)


def named_as_image(path: str) -> bool:
    """Return whether a file may be an image by its name: no extension, or one that an image format uses."""
    _, dot, extension = path.rpartition("/")[2].rpartition(".")
    return not dot or extension.lower() in _ALL_EXTENSIONS


def mislabelled(path: str, format: str) -> bool:
    """Return whether the extension of a file belongs to another image format than its bytes.

    Args:
        path: of the file; other extensions, and none, are never mislabelled.
        format: Pillow's name of the format of the bytes; empty: unknown.
    """
    start, _, extension = path.rpartition(".")
    extension = extension.lower()
    if extension not in _ALL_EXTENSIONS or not start or start.endswith("/"):
        return False
    return bool(format) and extension not in _EXTENSIONS_OF.get("JPEG" if format == "MPO" else format, ())


def _rotated(image: Image.Image, data: bytes) -> bool:
    if image.format in DECODED_BY_TENSORFLOW:
        return headers.orientation(data) > 1
    try:
        # pillow-heif turns the image itself and keeps what the file says.
        value = image.info.get("original_orientation") or image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow's readers raise all kinds of errors on damaged EXIF data
        return False
    return isinstance(value, int) and 2 <= value <= 8


def _moves(image: Image.Image) -> bool:
    try:
        # Not n_frames, which reads a GIF to its end.
        return bool(getattr(image, "is_animated", False))
    except Exception:  # Pillow's plugins raise all kinds of errors on a damaged second frame
        return False
