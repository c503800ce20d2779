"""Bytes written as text in a request: base64 as clients send it."""

import binascii
import re
from urllib.parse import unquote_to_bytes

_TO_STANDARD = str.maketrans("-_", "+/")
_DATA_URL = re.compile(r"\s*data:[^,]{0,200};base64\s*,", re.IGNORECASE)
_LIKE = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}\s*")


def decoded(text: str) -> bytes:
    """Return the bytes that a text encodes.

    Args:
        text: base64 of the standard alphabet or of the URL-safe one, with or without padding and white space; or a data URL of
            base64, as browsers make it (`data:image/jpeg;base64,...`).

    Raises:
        ValueError: if it is none of these, or mixes the two alphabets.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)  # nearly always, and at once
    except ValueError:
        pass
    start = _DATA_URL.match(text)
    if start:
        text = text[start.end() :]
        if "%" in text:  # a URL may hold any character as %XX
            text = unquote_to_bytes(text).decode("ascii")
    packed = "".join(text.split()).rstrip("=")
    if "-" in packed or "_" in packed:
        if "+" in packed or "/" in packed:
            raise ValueError("both alphabets of base64")
        packed = packed.translate(_TO_STANDARD)
    return binascii.a2b_base64(packed + "=" * (-len(packed) % 4), strict_mode=True)


def is_data_url(text: str) -> bool:
    """Return whether a text is a data URL of base64: no image begins like that."""
    return _DATA_URL.match(text) is not None


def is_like_base64(text: str) -> bool:
    """Return whether a text, perhaps cut off, looks like base64: one long word of its characters."""
    return _LIKE.fullmatch(text) is not None
