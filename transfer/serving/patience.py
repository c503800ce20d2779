"""How long a request is worked for: until its time is over, or its client has gone. Everything is inside: body, parsing, computing."""

import asyncio
from typing import Any

from transfer.serving.bodies import ClientGoneError, Receive
from transfer.serving.refusals import RefusedError

_UNWATCHED = 0.25
"""Seconds after which the times of a request, and its client, are watched; most answers take less, and cost one timer."""


class Patient:
    """ASGI middleware that ends a request's work, wherever it waits, by cancelling it."""

    def __init__(self, app: Any, seconds: float, body_seconds: float | None = None) -> None:
        """Wrap `app`; an answer must begin within `seconds` of the request's headers, the body arrive within `body_seconds`."""
        self._app, self._seconds = app, seconds
        self._body_seconds = seconds if body_seconds is None else body_seconds

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request.

        Raises:
            RefusedError: 504 if the answer has not begun in time, 408 if the body that is waited for has not arrived.
            ClientGoneError: if the client closes the connection before.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watch = _Watch(receive, self._seconds, self._body_seconds)

        async def answering(message: Any) -> None:
            watch.stop()  # sending has limits of its own
            await send(message)

        try:
            await self._app(scope, watch.receive, answering)
        except asyncio.CancelledError:
            if watch.why is None or watch.task.uncancel():  # somebody else ends it
                raise
            raise watch.why from None
        finally:
            watch.stop()


class _Watch:
    """Cancels the current task when its time is over, or once the request's body has been received its client goes.

    Attributes:
        why: the reason, if it has done so.
    """

    def __init__(self, receive: Receive, seconds: float, body_seconds: float) -> None:
        self._receive, self._seconds, self._body_seconds = receive, seconds, body_seconds
        current = asyncio.current_task()
        assert current is not None
        self.task = current
        self.why: RefusedError | ClientGoneError | None = None
        self._waits, self._whole = False, False  # whether the body is waited for, and has arrived
        self._watching: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._later = self._loop.call_at(self._began + min(_UNWATCHED, seconds, body_seconds), self._look)

    async def receive(self) -> Any:
        self._waits = True
        message = await self._receive()
        self._waits, self._whole = False, not message.get("more_body", False)
        return message

    def stop(self) -> None:
        self._later.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        took = now - self._began
        if took >= self._seconds:
            self._end(RefusedError(504, f"The answer took longer than {self._seconds:g} s."))
            return
        if self._waits and took >= self._body_seconds and self._watching is None:
            text = f"The request did not arrive within {self._body_seconds:g} s."
            self._end(RefusedError(408, text, {"Connection": "close"}))
            return
        if self._whole and self._watching is None:
            self._watching = asyncio.ensure_future(self._until_gone())
        next_look = self._seconds if self._watching else min(self._seconds, took + _UNWATCHED)
        if took < self._body_seconds:
            next_look = min(next_look, self._body_seconds)
        self._later = self._loop.call_at(self._began + next_look, self._look)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end(ClientGoneError())

    def _end(self, why: RefusedError | ClientGoneError) -> None:
        self.why = why
        self.task.cancel()
