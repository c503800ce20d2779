"""What every request passes first and last: the key, the counters, and errors as JSON that tell nothing of the inside."""

import hmac
import logging
import time
from collections.abc import Callable
from typing import Any

import orjson

from transfer.serving.bodies import ClientGoneError
from transfer.serving.metrics import Metrics
from transfer.serving.refusals import RefusedError

_LOG = logging.getLogger("transfer.serving")
_CLOSED = 499  # nginx's number for a client that went away; nobody receives it


class Gate:
    """ASGI around ASGI."""

    def __init__(self, app: Any, metrics: Metrics, key: str | None, is_open: Callable[[str], bool], route_of: Callable[[str], str]) -> None:
        """Stand in front of `app`.

        Args:
            key: what requests must bring; none: nothing.
            is_open: tells for a path whether it can be had without the key.
            route_of: gives for a path the name under which it is counted.
        """
        self._app, self._metrics = app, metrics
        self._key = key.encode() if key else None
        self._is_open, self._route_of = is_open, route_of

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def noting(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if self._key is not None and not self._is_open(scope["path"]) and not self._has_key(scope["headers"]):
                text = "A key is needed: header 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
                raise RefusedError(401, text, {"WWW-Authenticate": "Bearer"})
            await self._app(scope, receive, noting)
        except RefusedError as refusal:
            await refuse(noting, refusal)
        except ClientGoneError:
            status = _CLOSED
        except Exception:  # a defect: told to the one who runs the server, not to the client
            _LOG.exception("A request failed.")
            if not status:
                await refuse(noting, RefusedError(500, "The server failed at this request."))
        finally:
            self._metrics.count(self._route_of(scope["path"]), status, time.perf_counter() - started)

    def _has_key(self, headers: list[tuple[bytes, bytes]]) -> bool:
        assert self._key is not None
        given = b""
        for name, value in headers:
            if name == b"x-api-key":
                given = value
            elif name == b"authorization" and value[:7].lower() == b"bearer ":
                given = value[7:].strip()
        return hmac.compare_digest(given, self._key)


async def refuse(send: Any, refusal: RefusedError) -> None:
    """Send an error as TensorFlow Serving does."""
    body = orjson.dumps({"error": refusal.text.encode("utf-8", "replace").decode()})
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
