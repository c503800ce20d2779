"""What a file is, judged from its header before any pixel is allocated."""

from dataclasses import dataclass

from transfer.data.transcode import UnreadableError, needs_transcoding, opened, transcode

_TEXT = bytes(range(32, 127)) + b"\t\n\r\f"
_SIGNATURES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"GIF8": "GIF", b"\0\0\0\x0cjP  ": "JPEG 2000"}


@dataclass(frozen=True)
class Header:
    """Format and size of a picture; `reason` says why it cannot be used."""

    format: str = ""
    width: int = 0
    height: int = 0
    transcoded: bool = False
    reason: str = ""


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
    if why != "not a picture":
        return f"damaged: {why}"
    for signature, format in _SIGNATURES.items():
        if data.startswith(signature):
            return f"damaged: not a whole {format} (truncated or broken)"
    return "not a picture: text" if not data[:512].translate(None, _TEXT) else "not a picture: unknown format"
