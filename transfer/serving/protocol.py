"""uvicorn's HTTP connection, with limits on what a client may send, leave unread, and keep waiting.

uvicorn closes connections that are idle between requests, but waits forever for a first request, for the rest of a request's
headers, for the body of a request that was already refused, and for a client that reads nothing; it bounds neither headers nor
pipelined requests. Here one request at a time is parsed, and what follows it waits unparsed, with the socket no longer read.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from transfer.serving.framing import Framing
from transfer.serving.gate import error_response
from transfer.serving.places import Places, owner
from transfer.serving.refusals import RefusedError
from transfer.serving.settings import KILO, MEGA, Settings
from transfer.serving.transport import Deadline, PatientTransport

_ABSOLUTE = re.compile(rb"https?://(?:[^/?#@]*@)?(?P<host>[^/?#@]+)(?P<path>/[^?#]*)?", re.IGNORECASE)
_INVALID = RefusedError(400, "This is not a valid HTTP request.")
_NO_HOST = RefusedError(400, "A request must have one header 'Host'.")
_UPGRADE = RefusedError(400, "The header 'Upgrade' is not supported with a body of unknown length.")


Count = Callable[[str, int, float], None]


class _Flow(FlowControl):
    """uvicorn's, but nothing is received while the connection holds bytes that it must not parse yet."""

    def __init__(self, connection: "Connection") -> None:
        super().__init__(connection.transport)
        self._connection = connection

    def resume_reading(self) -> None:
        if not self._connection.holds:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """One connection.

    Attributes:
        holds: whether bytes of a next request wait for the answer to this one.
        unsent: whether an answer was made and not all of it could be sent.
    """

    def __init__(self, *, settings: Settings, places: Places, spare: int, count: Count, **given: Any) -> None:
        """Keep a server's limits.

        Args:
            places: of the server.
            spare: connections without a place that are still told why.
            count: called with route, status and seconds of each request that never reaches the application.
            given: what uvicorn gives.
        """
        super().__init__(**given)
        self._settings, self._places, self._spare, self._count = settings, places, spare, count
        self._framing = self._next_request()
        self._pending, self._next = b"", 0  # what was received, and how much of it was parsed
        self._ended = False  # the request that is being parsed, in the piece that is being parsed
        self._by_hand = False  # the parser takes the body of this request for another protocol
        self._deaf = False  # nothing more is parsed
        self._owner, self._has_place = "", False
        self._receiving = Deadline(self.loop, self._too_late)
        self._sending = Deadline(self.loop, self._not_read)

    @property
    def holds(self) -> bool:
        return self._next < len(self._pending)

    @property
    def unsent(self) -> bool:
        return self.flow.write_paused and not self._answering

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _unread(self) -> bool:
        return self.holds or self._deaf or (self._framing.open and not self._framing.in_head)

    def _next_request(self) -> Framing:
        return Framing(round(self._settings.max_header_kb * KILO), self._settings.max_headers)

    # The connection

    def connection_made(self, transport: Any) -> None:
        """Take a place and start the clock. Without one, answer requests with 503; if many have none, do so at once."""
        own = self._settings
        self._patient = PatientTransport(transport, self.loop, self._unread, own.drain_seconds, own.drain_mb * MEGA)
        super().connection_made(self._patient)
        self.flow = _Flow(self)
        self._owner = owner(self.client[0]) if self.client else ""
        why = self._places.take(self._owner)
        self._has_place = why is None
        if why is not None:
            refusal = RefusedError(503, why, {"Retry-After": "1"})
            if self._places.refused > self._spare:
                self._write(refusal)
                self.transport.close()
                return
            self.app = error_response(RefusedError(503, why, {"Retry-After": "1", "Connection": "close"}))
        self._receiving.start(own.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks, and give the place back."""
        self._receiving.stop()
        self._sending.stop()
        self._patient.lost()
        self._places.leave(self._owner, self._has_place)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client some time to read."""
        super().pause_writing()
        self._sending.start(self._settings.send_seconds)

    def resume_writing(self) -> None:
        """Take the next request."""
        super().resume_writing()
        self._sending.stop()
        self._advance()

    # Receiving

    def data_received(self, data: bytes) -> None:
        """Parse what belongs to this request."""
        if self._deaf or self.transport.is_closing():
            self._patient.discard(len(data))
            return
        self._pending, self._next = (self._pending[self._next :] + data if self.holds else data), 0
        self._advance()

    def _advance(self) -> None:
        """Parse up to the end of this request, and the next if this one is answered."""
        while self.holds and (self._framing.open or not (self._answering or self.flow.write_paused)):
            start, self._next = self._next, self._framing.cut(self._pending, self._next)
            self._parse(memoryview(self._pending)[start : self._next])
            if self._deaf or self.transport.is_closing():
                return
        if self.holds:
            self.flow.pause_reading()
        else:
            self._pending, self._next = b"", 0
            if not self._answering or len(self.cycle.body) <= HIGH_WATER_LIMIT:
                self.flow.resume_reading()
        self._set_clock()

    def _set_clock(self) -> None:
        """Let the time run that the client has for what it is to do next."""
        if self._answering or self.flow.write_paused:
            self._receiving.stop()
            self._unset_keepalive_if_required()
        elif self._framing.open:
            self._unset_keepalive_if_required()
            self._receiving.start(self._settings.header_seconds if self._framing.in_head else self._settings.drain_seconds)
        elif self.cycle is not None:
            self._receiving.stop()
            if self.timeout_keep_alive_task is None:
                self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _parse(self, piece: memoryview) -> None:
        self._ended = False
        try:
            if self._by_hand:
                self._take_by_hand(bytes(piece))
            else:
                self.parser.feed_data(piece)
            self._framing.check()
        except httptools.HttpParserUpgrade:
            pass  # no other protocol is spoken, as HTTP allows; the piece ended with the headers
        except RefusedError as refusal:
            self._refuse(refusal)
        except httptools.HttpParserError as error:
            if self._ended:  # a next request in a piece that was not cut: it is not taken
                self._deaf = True
                self.shutdown()
            else:
                self._refuse(error.__context__ if isinstance(error.__context__, RefusedError) else _INVALID)

    def _take_by_hand(self, body: bytes) -> None:
        self.on_body(body)
        if not self._framing.left:
            self._by_hand = False
            self.on_message_complete()

    def _refuse(self, refusal: RefusedError) -> None:
        """Answer a request that cannot be parsed to its end, unless its answer has begun, and close."""
        self._deaf = True
        if self._framing.in_head:
            self._write(refusal)
        elif self._answering:  # the application waits for the body
            if not self.cycle.response_started:
                self._write(refusal)
            self.cycle.disconnected = True  # as uvicorn does when the connection is lost, which is later
            self.cycle.message_event.set()
        self._patient.drain()

    def _write(self, refusal: RefusedError) -> None:
        self._count("other", refusal.status, 0.0)
        answer = error_response(refusal)
        headers = [*self.server_state.default_headers, *answer.raw_headers, (b"connection", b"close")]
        lines = [b"HTTP/1.1 %d %b" % (refusal.status, HTTPStatus(refusal.status).phrase.encode())]
        lines += [b"%b: %b" % header for header in headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))

    def _too_late(self) -> None:
        self._patient.close_now()

    def _not_read(self) -> None:
        self._patient.reset()

    # Called by the parser

    def on_message_begin(self) -> None:
        """Begin a request.

        Raises:
            RuntimeError: if the piece held the end of another.
        """
        if self._ended:
            raise RuntimeError
        self._framing.begin()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; trailers are counted and ignored.

        Raises:
            RefusedError: 431 if there are too many.
        """
        self._framing.header()
        if self._framing.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the headers, then let the application answer.

        Raises:
            RefusedError: 400 or 431.
        """
        self._framing.check()
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise _INVALID
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and version == "1.1"):
            raise _NO_HOST
        given = dict(self.headers)
        announced = int(given[b"content-length"]) if b"content-length" in given else None
        if self.parser.should_upgrade():
            if b"transfer-encoding" in given:
                raise _UPGRADE
            self._by_hand = bool(announced)
        if absolute := _ABSOLUTE.fullmatch(self.url.partition(b"?")[0]):
            self._take_host(absolute)
        super().on_headers_complete()
        self._framing.end_head(announced)
        self._receiving.stop()

    def _take_host(self, absolute: re.Match[bytes]) -> None:
        """Take the host of an absolute address instead of the header, as HTTP demands."""
        self.headers[:] = [(name, value) for name, value in self.headers if name != b"host"] + [(b"host", absolute["host"])]
        _, mark, query = self.url.partition(b"?")
        self.url = (absolute["path"] or b"/") + mark + query

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; after an early answer, discard it."""
        self._framing.receive(len(body))
        if not self._answering:
            self._patient.discard(len(body))
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Count a chunk."""
        self._framing.chunk()

    def on_message_complete(self) -> None:
        """End the request.

        Raises:
            RefusedError: 431 if its trailers are too large.
        """
        if self._by_hand:
            return
        self._framing.check()
        self._ended = True
        super().on_message_complete()
        self._framing = self._next_request()

    def on_response_complete(self) -> None:
        """Take the next request, or close where the client may never send the body that it asked to send."""
        super().on_response_complete()
        if self._framing.open and self.expect_100_continue and not self._framing.body:
            self.transport.close()
        if not (self._deaf or self.transport.is_closing()):
            self._advance()
