"""Bytes written as text in a request: base64 as clients send it."""

import binascii
import re
from urllib.parse import unquote_to_bytes

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\n\r\v\f\x1c\x1d\x1e\x1f"
_ESCAPES = {
    b"%2B": b"+",
    b"%2b": b"+",
    b"%2F": b"/",
    b"%2f": b"/",
    b"%3D": b"=",
    b"%3d": b"=",
    b"%0A": b"",
    b"%0a": b"",
    b"%0D": b"",
    b"%0d": b"",
    b"%20": b"",
}
_OTHER_ESCAPES = 1000  # one at a time, which is slow
_DATA_URL = re.compile(r"\s{0,100}data:[^,]{0,200};base64\s*,", re.IGNORECASE)
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
    packed = text[start.end() if start else 0 :].encode("ascii")
    if start and b"%" in packed:  # a URL may hold any character as %XX
        packed = _without_escapes(packed)
    packed = packed.translate(None, _SPACE).rstrip(b"=")
    if b"-" in packed or b"_" in packed:
        if b"+" in packed or b"/" in packed:
            raise ValueError("both alphabets of base64")
        packed = packed.translate(_TO_STANDARD)
    return binascii.a2b_base64(packed + b"=" * (-len(packed) % 4), strict_mode=True)


def _without_escapes(text: bytes) -> bytes:
    for escape, character in _ESCAPES.items():
        text = text.replace(escape, character)
    if text.count(b"%") > _OTHER_ESCAPES:
        raise ValueError("base64 needs no such escapes")
    return unquote_to_bytes(text)


def is_data_url(text: str) -> bool:
    """Return whether a text is a data URL of base64: no image begins like that."""
    return _DATA_URL.match(text) is not None


def is_like_base64(text: str) -> bool:
    """Return whether a text, perhaps cut off, looks like base64: one long word of its characters."""
    return _LIKE.fullmatch(text) is not None
