"""A request's body, received within limits on memory."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from transfer.serving.refusals import RefusedError, busy, too_large

_SMALL, _SPARE = 10**6, 1.25
_MUCH, _LITTLE = 32 * 10**6, 0.1  # bytes whose memory is worth giving back, and the share of them that may still be held

Receive = Callable[[], Awaitable[Any]]
Need = Callable[[int], None]


class ClientGoneError(Exception):
    """The client has closed the connection."""


class Held:
    """Memory held by all requests.

    Attributes:
        now: bytes held at the moment, at most `limit`; a quarter more with small requests.
        peak: most of them since `rested` last said yes.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.now = self.peak = 0.0

    def rested(self) -> bool:
        """Return whether much was held, and little is left of it; the peak is then forgotten."""
        rested = self.peak > _MUCH and self.now < self.peak * _LITTLE
        if rested:
            self.peak = self.now
        return rested

    @contextmanager
    def account(self) -> Iterator[Need]:
        """Yield a function for one request that reserves a total of so many bytes; all of it is released when the block ends.

        The function raises RefusedError (429) if there is no room.
        """
        taken = 0

        def need(total: int) -> None:
            nonlocal taken
            if total <= taken:
                return
            # A quarter more for requests of single images: large ones that never end must not keep them out.
            if self.now + total - taken > self._limit * (_SPARE if total <= _SMALL else 1):
                raise busy(1)
            self.now += total - taken
            self.peak = max(self.peak, self.now)
            taken = total

        try:
            yield need
        finally:
            self.now -= taken


async def read(receive: Receive, headers: Sequence[tuple[bytes, bytes]], limit_mb: float, need: Need) -> bytes:
    """Read a body.

    Args:
        headers: of the request, with names in lower case.
        limit_mb: largest size, whatever was announced, in units of 1,000,000 bytes.
        need: reserves memory as the body arrives (`Held.account`): announcing a large body reserves nothing.

    Raises:
        RefusedError: 413 if it is too large, 415 if it is compressed, 429 if there is no room.
        ClientGoneError: if the client disconnects.
    """
    limit = int(limit_mb * 1e6)
    for name, value in headers:
        if name == b"content-encoding" and value.lower() != b"identity":
            raise RefusedError(415, "Compressed requests are not supported. Send the body uncompressed.")
        if name == b"content-length" and value.isdigit() and (len(value) > 18 or int(value) > limit):
            raise too_large(limit_mb)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit_mb)
        need(size)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
