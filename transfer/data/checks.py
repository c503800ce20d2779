"""What a file is, judged from its header before any pixel is allocated."""

from dataclasses import dataclass

from transfer.data.transcode import UnreadableError, needs_transcoding, opened, transcode

_TEXT = bytes(range(32, 127)) + b"\t\n\r\f"
_SIGNATURES = [(0, b"\xff\xd8\xff", "JPEG"), (0, b"\x89PNG", "PNG"), (0, b"GIF8", "GIF"), (8, b"WEBP", "WebP"), (4, b"jP  ", "JPEG 2000")]


@dataclass(frozen=True)
class Header:
    """Format and size of a picture, what is peculiar about it, and in `reason` why it cannot be used."""

    format: str = ""
    width: int = 0
    height: int = 0
    transcoded: bool = False
    reason: str = ""
    traits: tuple[str, ...] = ()


def examine(data: bytes, digest: str, max_megapixels: float) -> Header:
    """Judge a file by its bytes; its name does not matter.

    Pictures that TensorFlow cannot decode are transcoded into the cache here.
    """
    if not data:
        return Header(reason="empty file")
    try:
        with opened(data) as image:
            format, (width, height) = str(image.format), image.size
            transcodes = needs_transcoding(image, data)
    except UnreadableError as error:
        return Header(reason=_not_a_picture(data, str(error)))
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        reason = f"too large: {megapixels:.0f} megapixels, the limit is {max_megapixels:g} (data.max_megapixels)"
        return Header(format, width, height, reason=reason)
    if transcodes:
        try:
            transcode(data, digest)
        except UnreadableError as error:
            return Header(format, width, height, reason=f"damaged: {error}")
    return Header(format, width, height, transcoded=transcodes)


def _not_a_picture(data: bytes, why: str) -> str:
    if announced(data):
        return f"damaged: {not_whole(data)}"
    if not data[:512].translate(None, _TEXT):
        return "not a picture: text"
    return "not a picture: unknown format" if why == "not a picture" else f"damaged: {why}"


def announced(data: bytes) -> str:
    """Return the format that the first bytes of a file announce; empty where they announce none of the usual ones."""
    return next((format for position, signature, format in _SIGNATURES if data.startswith(signature, position)), "")


def not_whole(data: bytes) -> str:
    """Return what a person is told of a picture that cannot be decoded."""
    return f"not a whole {announced(data)} (truncated or broken)" if announced(data) else "truncated or broken"
