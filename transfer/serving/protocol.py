"""uvicorn's HTTP connection, with a time limit on receiving the headers, and a limit on the number of connections.

uvicorn closes connections that are idle between requests, but waits forever for a first request, for the rest of a request's
headers, and for the body of a request that was already refused. Its own limit on connections answers in plain text.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from transfer.serving.gate import error_response
from transfer.serving.refusals import RefusedError

_REFUSED = error_response(RefusedError(503, "Too many connections.", {"Retry-After": "1", "Connection": "close"}))
_RAW = b"HTTP/1.1 503 Service Unavailable\r\n%b\r\n%b" % (
    b"".join(b"%b: %b\r\n" % header for header in _REFUSED.raw_headers),
    bytes(_REFUSED.body),
)


class GuardedProtocol(HttpToolsProtocol):
    """A connection that is closed if it has no request in progress and does not complete one in time."""

    header_seconds = 10.0
    answered_connections = 512
    most_connections = 1024

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock. Beyond the limit, answer requests with 503; far beyond it, do so at once, to free the socket."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.write(_RAW)
            transport.close()
            return
        if len(self.connections) > self.answered_connections:
            self.app = _REFUSED
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        """Start the clock if these bytes belong to no request that is being answered."""
        super().data_received(data)
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._start_clock()

    def on_headers_complete(self) -> None:
        """Stop the clock: from here on, the request has its own limits."""
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


def guarded(header_seconds: float, answered: int, spare: int) -> type[GuardedProtocol]:
    """Return the class of a server's connections: `answered` are served, `spare` more get 503 as the answer to their request."""
    limits = {"header_seconds": header_seconds, "answered_connections": answered, "most_connections": answered + spare}
    return type("Connection", (GuardedProtocol,), limits)
