"""What is peculiar about an image's file, in the words of the manifest's column `traits`."""

from PIL import Image

ORDER = ("alpha", "animated", "cmyk", "16-bit", "rotated", "mislabelled")
_MOVING = frozenset({"GIF", "WEBP", "PNG", "AVIF"})  # pages of a TIFF and the views of an MPO are no animation
_DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_BITS_PER_SAMPLE = 258  # a tag of TIFF

_EXTENSIONS = {
    "JPEG": "jpg jpeg jpe jfif mpo", "PNG": "png apng", "GIF": "gif", "BMP": "bmp dib", "WEBP": "webp", "TIFF": "tif tiff",
    "HEIF": "heic heif hif", "AVIF": "avif heif hif", "ICO": "ico", "PPM": "ppm pgm pbm pnm", "JPEG2000": "jp2 j2k jpx jpf j2c",
    "TGA": "tga", "PSD": "psd",
}  # fmt: skip
_ANNOUNCED = frozenset(" ".join(_EXTENSIONS.values()).split())
_SAME = {format: frozenset(names.split()) for format, names in _EXTENSIONS.items()}


def of_image(image: Image.Image) -> tuple[str, ...]:
    """Return what Pillow sees in an opened image, without decoding its pixels; rotation is left to the callers."""
    found = {
        "alpha": bool(image.has_transparency_data),
        "animated": image.format in _MOVING and _moves(image),
        "cmyk": image.mode == "CMYK",
        "16-bit": image.mode in _DEEP or _deep_samples(image),
    }
    return tuple(word for word, there in found.items() if there)


def mislabelled(path: str, format: str) -> bool:
    """Return whether a file's name announces another image format than its bytes have.

    Args:
        path: of the file; a name without an extension, or with one that is no image format's, announces nothing.
        format: Pillow's name of what the bytes are; empty: unknown.
    """
    start, _, extension = path.rpartition(".")
    extension = extension.lower()
    if extension not in _ANNOUNCED or not start or start.endswith("/"):
        return False
    return bool(format) and extension not in _SAME.get("JPEG" if format == "MPO" else format, ())


def _moves(image: Image.Image) -> bool:
    try:
        # Not n_frames, which reads a GIF to its end.
        return bool(getattr(image, "is_animated", False))
    except Exception:  # Pillow's plugins raise all kinds of errors on a damaged second frame
        return False


def _deep_samples(image: Image.Image) -> bool:
    """Whether an image has more than 8 bits a sample where Pillow's mode does not say so."""
    if image.format == "PNG":
        return any(";16" in str(tile[3]) for tile in getattr(image, "tile", []))
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
    return max(bits if isinstance(bits, tuple) else (bits,), default=8) > 8
