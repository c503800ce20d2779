"""uvicorn's HTTP connection, with a time limit on what it lets come in without end, the headers, and a limit of connections.

uvicorn closes connections that are idle between requests, but waits forever for a first request, for the rest of a request's
headers, and for a body that nobody reads any more because it was refused. Its own limit of connections answers in plain text.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from transfer.serving.gate import refuse
from transfer.serving.refusals import RefusedError

_REASON = "Too many connections."
_TEXT = b'{"error":"%b"}' % _REASON.encode()
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b"
) % (len(_TEXT), _TEXT)


class GuardedProtocol(HttpToolsProtocol):
    """A connection that is closed where it neither has a request under way nor completes one in time."""

    header_seconds = 10.0
    answered_connections = 512
    most_connections = 1024

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock. Those beyond the limit are answered with 503; those far beyond it at once, so that they use up no sockets."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.write(_FULL)
            transport.close()
            return
        if len(self.connections) > self.answered_connections:
            self.app = _sent_away
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        """Start the clock where these bytes belong to no request that is being answered."""
        super().data_received(data)
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._start_clock()

    def on_headers_complete(self) -> None:
        """Stop the clock: from here on the request has limits of its own."""
        self._stop_clock()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def _start_clock(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self._too_late)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()


async def _sent_away(scope: Any, receive: Any, send: Any) -> None:
    await refuse(send, RefusedError(503, _REASON, {"Retry-After": "1", "Connection": "close"}))


def guarded(header_seconds: float, answered: int, spare: int) -> type[GuardedProtocol]:
    """Return the class of a server's connections, with its limits: connections that are answered, and more that are told why not."""
    limits = {"header_seconds": header_seconds, "answered_connections": answered, "most_connections": answered + spare}
    return type("Connection", (GuardedProtocol,), limits)
