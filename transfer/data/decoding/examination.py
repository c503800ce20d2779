"""What a file is, judged by its header before any pixel is allocated, and what is unusual about it (its traits)."""

from PIL import Image

from transfer.data.decoding import headers
from transfer.data.decoding.formats import UnreadableError, UnsupportedError
from transfer.data.decoding.headers import Header
from transfer.data.decoding.readers import Reader, reader_of
from transfer.data.decoding.transcode import needs_transcoding, opened, transcode

_MOVING = frozenset({"GIF", "WEBP", "PNG", "AVIF"})  # the pages of a TIFF and the views of an MPO are not an animation
_DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_BITS_PER_SAMPLE = 258  # a tag of TIFF

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
    traits = ("16-bit",) if reader.is_deep(data) else ()
    reason = _too_large(width, height, max_megapixels) or _why_not_transcoded(data, digest)
    return Header(reader.format.name, width, height, traits, transcoded=not reason, reason=reason)


def _with_pillow(data: bytes, digest: str, max_megapixels: float, unsure: Header | None) -> Header:
    with opened(data) as image:
        format, (width, height) = str(image.format), image.size
        transcodes = needs_transcoding(image, data)
        traits = _traits(image)
    if unsure and "rotated" in unsure.traits:
        traits += ("rotated",)
    reason = _too_large(width, height, max_megapixels)
    if transcodes and not reason:
        reason = _why_not_transcoded(data, digest)
    sure = unsure is not None and (unsure.width, unsure.height) == (width, height)
    return Header(format, width, height, traits, sure, transcodes and not reason, reason)


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


def _traits(image: Image.Image) -> tuple[str, ...]:
    """Return the traits of an opened image, without decoding its pixels; all but `rotated` and `mislabelled`."""
    found = {
        "alpha": bool(image.has_transparency_data),
        "animated": image.format in _MOVING and _moves(image),
        "cmyk": image.mode == "CMYK",
        "16-bit": image.mode in _DEEP or _deep_samples(image),
    }
    return tuple(word for word, there in found.items() if there)


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


def _moves(image: Image.Image) -> bool:
    try:
        # Not n_frames, which reads a GIF to its end.
        return bool(getattr(image, "is_animated", False))
    except Exception:  # Pillow's plugins raise all kinds of errors on a damaged second frame
        return False


def _deep_samples(image: Image.Image) -> bool:
    """Whether an image has more than 8 bits per sample although Pillow's mode does not show it."""
    if image.format == "PNG":
        return any(";16" in str(tile[3]) for tile in getattr(image, "tile", []))
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
    return max(bits if isinstance(bits, tuple) else (bits,), default=8) > 8
