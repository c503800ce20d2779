"""A connection's requests, parsed one at a time; what follows the one being answered waits unparsed, with the socket no longer read.

uvicorn parses whatever has arrived, and bounds neither headers nor pipelined requests.
"""

import re
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from transfer.serving.framing import Framing
from transfer.serving.refusals import RefusedError
from transfer.serving.settings import KILO, Settings
from transfer.serving.transport import PatientTransport

_ABSOLUTE = re.compile(rb"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>[^/?#@]+)(?P<path>/[^?#]*)?", re.IGNORECASE)
_INVALID = RefusedError(400, "This is not a valid HTTP request.")
_NO_HOST = RefusedError(400, "A request must have one header 'Host'.")
_CODING = RefusedError(501, "The only supported Transfer-Encoding is 'chunked'.")
_UPGRADE = RefusedError(400, "The header 'Upgrade' is not supported with a body of unknown length.")


class Flow(FlowControl):
    """uvicorn's, but nothing is received while bytes are held that it must not parse yet."""

    def __init__(self, requests: "Requests") -> None:
        super().__init__(requests.transport)
        self._requests = requests

    def resume_reading(self) -> None:
        if self.read_paused and not self._requests.holds:
            super().resume_reading()


class Requests(HttpToolsProtocol):
    """The requests of one connection. What it does with time, and with requests that cannot be parsed, is left to a subclass.

    Attributes:
        holds: whether bytes of a next request wait for the answer to this one.
        deaf: whether nothing more is parsed.
    """

    patient: PatientTransport

    def __init__(self, *, settings: Settings, **given: Any) -> None:
        """Keep a server's limits.

        Args:
            given: what uvicorn gives.
        """
        super().__init__(**given)
        self.settings, self.framing, self.deaf = settings, _next_request(settings), False
        self._pending, self._next = b"", 0  # what was received, and how much of it was parsed
        self._waited, self._pipelined = False, 0  # whether the next request waits; how many in a row have waited
        self._ended = False  # the request that is being parsed, in the piece that is being parsed
        self._by_hand = False  # the parser takes the body of this request for another protocol

    @property
    def holds(self) -> bool:
        return self._next < len(self._pending)

    @property
    def answering(self) -> bool:
        """Whether a request is with the application."""
        return self.cycle is not None and not self.cycle.response_complete

    def parsed(self) -> None:
        """Called when all that may be parsed now is parsed."""
        raise NotImplementedError

    def refuse(self, refusal: RefusedError) -> None:
        """Called with the answer to a request that cannot be parsed to its end."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Parse what belongs to this request."""
        if self.deaf or self.transport.is_closing():
            self.patient.discard(len(data))
            return
        self._pending, self._next = (self._pending[self._next :] + data if self.holds else data), 0
        self.advance()

    def advance(self) -> None:
        """Parse up to the end of this request, and the next if this one is answered."""
        if self.deaf or self.transport.is_closing():
            return
        while self.holds and (self.framing.open or not (self.answering or self.flow.write_paused)):
            start, self._next = self._next, self.framing.cut(self._pending, self._next)
            self._parse(memoryview(self._pending)[start : self._next])
            if self.deaf or self.transport.is_closing():
                return
        if self.holds:
            self._wait()
        else:
            self._pending, self._next = b"", 0
            if not self.answering or len(self.cycle.body) <= HIGH_WATER_LIMIT:
                self.flow.resume_reading()
        self.parsed()

    def _wait(self) -> None:
        """Keep what was received until this request is answered; if too many have waited already, this request is the last."""
        if self._pipelined >= self.settings.pipelined:
            self.deaf = True
            self.shutdown()
        else:
            self._waited = True
            self.flow.pause_reading()

    def _parse(self, piece: memoryview) -> None:
        self._ended = False
        try:
            if self._by_hand:
                self._take_by_hand(bytes(piece))
            else:
                self.parser.feed_data(piece)
            self.framing.check()
        except httptools.HttpParserUpgrade:
            pass  # no other protocol is spoken, as HTTP allows; the piece ended with the headers
        except RefusedError as refusal:
            self.refuse(refusal)
        except httptools.HttpParserError as error:
            if self._ended:  # a next request in a piece that was not cut: it is not taken
                self.deaf = True
                self.shutdown()
            else:
                self.refuse(error.__context__ if isinstance(error.__context__, RefusedError) else _INVALID)

    def _take_by_hand(self, body: bytes) -> None:
        self.on_body(body)
        if not self.framing.left:
            self._by_hand = False
            self.on_message_complete()

    # Called by the parser

    def on_message_begin(self) -> None:
        """Begin a request.

        Raises:
            RuntimeError: if the piece held the end of another.
        """
        if self._ended:
            raise RuntimeError
        self._waited, self._pipelined = False, self._pipelined + 1 if self._waited else 0
        self.framing.begin()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; trailers are counted and ignored.

        Raises:
            RefusedError: 431 if there are too many.
        """
        self.framing.header()
        if self.framing.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the headers, then let the application answer.

        Raises:
            RefusedError: 400, 431 or 501.
        """
        self.framing.check()
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise _INVALID
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and version == "1.1"):
            raise _NO_HOST
        given = dict(self.headers)
        if given.get(b"transfer-encoding", b"chunked").strip().lower() != b"chunked":
            raise _CODING
        announced = int(given[b"content-length"]) if b"content-length" in given else None
        self.expect_100_continue = self.expect_100_continue and version == "1.1"
        if self.parser.should_upgrade():
            if b"transfer-encoding" in given:
                raise _UPGRADE
            self._by_hand = bool(announced)
        if not self.url.startswith(b"/") and (absolute := _ABSOLUTE.fullmatch(self.url.partition(b"?")[0])):
            self._take_host(absolute)
        super().on_headers_complete()
        self.framing.end_head(announced)

    def _take_host(self, absolute: re.Match[bytes]) -> None:
        """Take the host of an absolute address instead of the header, as HTTP demands."""
        self.headers[:] = [(name, value) for name, value in self.headers if name != b"host"] + [(b"host", absolute["host"])]
        _, mark, query = self.url.partition(b"?")
        self.url = (absolute["path"] or b"/") + mark + query

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; after an early answer, discard it."""
        self.framing.receive(len(body))
        if not self.answering:
            self.patient.discard(len(body))
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Count a chunk."""
        self.framing.chunk()

    def on_message_complete(self) -> None:
        """End the request.

        Raises:
            RefusedError: 431 if its trailers are too large.
        """
        if self._by_hand:
            return
        self.framing.check()
        self._ended = True
        super().on_message_complete()
        self.framing = _next_request(self.settings)


def _next_request(settings: Settings) -> Framing:
    return Framing(round(settings.max_header_kb * KILO), settings.max_headers)
