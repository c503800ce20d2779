"""Errors sent to clients. Their texts reveal nothing about the file system or the code."""

import itertools

_PRINTABLE = bytes(range(32, 127)) + b"\t\n\r"


class RefusedError(Exception):
    """A request that is refused; becomes `{"error": text}`.

    Attributes:
        status: HTTP status.
        text: message for the client.
        headers: additional response headers.
    """

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers or {}


class ImageError(Exception):
    """An image, or a row of a request, that cannot be classified; the text says why.

    Attributes:
        position: index in the request, from 0.
    """

    def __init__(self, text: str, position: int = 0) -> None:
        super().__init__(text)
        self.text, self.position = text, position


def busy(seconds: float) -> RefusedError:
    """Return the error for a client that may try again after so many seconds."""
    wait = max(1, min(60, round(seconds)))
    return RefusedError(429, f"The server is busy. Try again in {wait} s.", {"Retry-After": str(wait)})


def too_large(limit_mb: float) -> RefusedError:
    """Return the error for a request that is too large."""
    return RefusedError(413, f"The request is larger than {limit_mb:g} MB.")


def too_many_images(most: int, received: int) -> RefusedError:
    """Return the error for a request with too many images, or rows."""
    return RefusedError(413, f"At most {most} images in one request. Received {received}.")


def shortened(value: object, length: int = 60) -> str:
    """Return a value for a message, truncated if it is long."""
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= length else text[:length] + "..."


def described(value: object) -> str:
    """Return what was received, in a few words: `a list of 3`, `text of 5,000 characters that begins with '/9j/4AAQ...'`."""
    if isinstance(value, str):
        return f"text of {len(value):,} characters that begins with {shortened(value, 20)!r}" if len(value) > 20 else f"the text {value!r}"
    if isinstance(value, bytes):
        if value and not value[:64].translate(None, _PRINTABLE):
            return described(value.decode("ascii", "replace"))
        return f"{len(value):,} bytes that begin with {value[:8].hex(' ')}" if value else "no bytes"
    if isinstance(value, list):
        return f"a list of {len(value):,}"
    if isinstance(value, dict):
        return (
            "an object with the keys " + ", ".join(shortened(key, 20) for key in itertools.islice(value, 5)) if value else "an empty object"
        )
    return "null" if value is None else shortened(str(value).lower() if isinstance(value, bool) else str(value), 20)
