"""How long a request is worked for: until its time is over, or its client has gone. Everything is inside: body, parsing, computing."""

import asyncio
from typing import Any

from transfer.serving.bodies import ClientGoneError, Receive
from transfer.serving.refusals import RefusedError

_UNWATCHED = 0.25
"""Seconds after the body has arrived until the client is watched; most answers take less."""


class Patient:
    """ASGI middleware that ends a request's work, wherever it waits, by cancelling it."""

    def __init__(self, app: Any, seconds: float) -> None:
        """Wrap `app`; an answer must begin within `seconds` of the request's headers."""
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request.

        Raises:
            RefusedError: 504 if the answer has not begun in time.
            ClientGoneError: if the client closes the connection before.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watch = _Watch(receive)
        try:
            async with asyncio.timeout(self._seconds) as limit:

                async def answering(message: Any) -> None:
                    watch.stop()  # sending has limits of its own
                    limit.reschedule(None)
                    await send(message)

                await self._app(scope, watch.receive, answering)
        except TimeoutError:
            raise RefusedError(504, f"The answer took longer than {self._seconds:g} s.") from None
        except asyncio.CancelledError:
            if not watch.gone:
                raise
            watch.task.uncancel()
            raise ClientGoneError from None
        finally:
            watch.stop()


class _Watch:
    """Notices that the client of the current task has gone, once the request's body has been received, and cancels the task."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        current = asyncio.current_task()
        assert current is not None
        self.task = current
        self.gone = False
        self._later: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None
        self._stopped = False

    async def receive(self) -> Any:
        message = await self._receive()
        if not message.get("more_body", False) and self._later is None and not self._stopped:
            self._later = asyncio.get_running_loop().call_later(_UNWATCHED, self._start)
        return message

    def stop(self) -> None:
        self._stopped = True
        if self._later is not None:
            self._later.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _start(self) -> None:
        self._watching = asyncio.ensure_future(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self.task.cancel()
