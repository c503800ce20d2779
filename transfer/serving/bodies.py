"""A request's body, received in a bounded time into bounded memory."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from transfer.serving.refusals import RefusedError, busy, too_large

Receive = Callable[[], Awaitable[Any]]


class ClientGoneError(Exception):
    """The client has closed the connection."""


class Held:
    """How many bytes of all requests are held at this moment, at most `limit`."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.now = 0.0

    @contextmanager
    def account(self) -> Iterator["Account"]:
        """Yield an account of one request; all it took is given back at the end."""
        account = Account(self)
        try:
            yield account
        finally:
            self.now -= account.taken

    def take(self, count: int) -> None:
        """Take room.

        Raises:
            RefusedError: 429 where there is none.
        """
        if self.now + count > self._limit:
            raise busy(1)
        self.now += count


class Account:
    """Room that one request has taken."""

    def __init__(self, held: Held) -> None:
        self._held, self.taken = held, 0

    def need(self, total: int) -> None:
        """Have room for `total` bytes.

        Raises:
            RefusedError: 429 where there is none.
        """
        if total > self.taken:
            self._held.take(total - self.taken)
            self.taken = total


async def read(receive: Receive, headers: Mapping[str, str], limit_mb: float, seconds: float, account: Account) -> bytes:
    """Read a body.

    Args:
        headers: of the request, their names in lower case.
        limit_mb: size at which it is refused, whatever was announced, in units of 1,000,000 bytes.
        seconds: in which it must have come.
        account: where the room for it is taken, as it comes: who announces much and sends nothing takes nothing.

    Raises:
        RefusedError: 413 where it is too large, 408 where it is too slow, 415 where it is compressed, 429 where there is no room.
        ClientGoneError: where the client goes away.
    """
    limit = int(limit_mb * 1e6)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusedError(415, "Compressed requests are not taken: send the body as it is.")
    announced = headers.get("content-length", "")
    if announced.isdigit() and (len(announced) > 18 or int(announced) > limit):
        raise too_large(limit_mb)
    try:
        async with asyncio.timeout(seconds):
            return await _collect(receive, limit, limit_mb, account)
    except TimeoutError:
        raise RefusedError(408, f"The request did not come within {seconds:g} s.", {"Connection": "close"}) from None


async def _collect(receive: Receive, limit: int, limit_mb: float, account: Account) -> bytes:
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
        account.need(size)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
