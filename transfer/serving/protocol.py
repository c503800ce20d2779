"""uvicorn's HTTP connection, with a place among the others, and time limits on all that a client is to do.

uvicorn closes connections that are idle between requests, but waits forever for a first request, for the rest of a request's
headers, for the body of a request that was already refused, and for a client that reads nothing. Its own limit on connections
answers in plain text.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from transfer.serving.gate import error_response
from transfer.serving.places import Places, owner
from transfer.serving.refusals import RefusedError
from transfer.serving.requests import Flow, Requests
from transfer.serving.settings import MEGA, Settings
from transfer.serving.transport import Deadline, PatientTransport

Count = Callable[[str, int, float], None]


class Connection(Requests):
    """One connection.

    Attributes:
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
        super().__init__(settings=settings, **given)
        self._places, self._spare, self._count = places, spare, count
        self._owner, self._has_place = "", False
        self._receiving = Deadline(self.loop, self._too_late)
        self._sending = Deadline(self.loop, self._not_read)

    @property
    def unsent(self) -> bool:
        return self.flow.write_paused and not self.answering

    def _unread(self) -> bool:
        return self.holds or self.deaf or (self.framing.open and not self.framing.in_head)

    def connection_made(self, transport: Any) -> None:
        """Take a place and start the clock. Without one, answer requests with 503; if many have none, do so at once."""
        own = self.settings
        self.patient = PatientTransport(transport, self.loop, self._unread, own.drain_seconds, own.drain_mb * MEGA)
        super().connection_made(self.patient)
        self.flow = Flow(self)
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
        self.patient.lost()
        self._places.leave(self._owner, self._has_place)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client some time to read."""
        super().pause_writing()
        self._sending.start(self.settings.send_seconds)

    def resume_writing(self) -> None:
        """Take the next request."""
        super().resume_writing()
        self._sending.stop()
        self.advance()

    def parsed(self) -> None:
        """Let the time run that the client has for what it is to do next."""
        if self.answering or self.flow.write_paused:
            self._receiving.stop()
            self._unset_keepalive_if_required()
        elif self.framing.open:
            self._unset_keepalive_if_required()
            self._receiving.start(self.settings.header_seconds if self.framing.in_head else self.settings.drain_seconds)
        elif self.cycle is not None:
            self._receiving.stop()
            if self.timeout_keep_alive_task is None:
                self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def refuse(self, refusal: RefusedError) -> None:
        """Answer a request that cannot be parsed to its end, unless its answer has begun, and close."""
        self.deaf = True
        if self.framing.in_head:
            self._write(refusal)
        elif self.answering:  # the application waits for the body
            if not self.cycle.response_started:
                self._write(refusal)
            self.cycle.disconnected = True  # as uvicorn does when the connection is lost, which is later
            self.cycle.message_event.set()
        self.patient.drain()

    def _write(self, refusal: RefusedError) -> None:
        self._count("other", refusal.status, 0.0)
        answer = error_response(refusal)
        headers = [*self.server_state.default_headers, *answer.raw_headers, (b"connection", b"close")]
        lines = [b"HTTP/1.1 %d %b" % (refusal.status, HTTPStatus(refusal.status).phrase.encode())]
        lines += [b"%b: %b" % header for header in headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))

    def _too_late(self) -> None:
        self.patient.close_now()

    def _not_read(self) -> None:
        self.patient.reset()

    def on_response_complete(self) -> None:
        """Take the next request, or close where the client may never send the body that it asked to send."""
        super().on_response_complete()
        if self.framing.open and self.expect_100_continue and not self.framing.body:
            self.transport.close()
        self.advance()
