"""What every request passes first and last: the key, the counters, and errors as JSON that reveal nothing internal."""

import asyncio
import contextlib
import hmac
import logging
import time
from typing import Any

import orjson
from starlette.responses import Response

from transfer.serving.bodies import ClientGoneError
from transfer.serving.hosts import Hosts
from transfer.serving.metrics import Metrics
from transfer.serving.refusals import RefusedError

_LOG = logging.getLogger("transfer.serving")
_CLOSED = 499  # nginx's status for a client that disconnected; counted, never sent
_LAST_WORDS = 1.0
"""Seconds that a stopping server gives a client to be told so."""
_OPEN = ("/", "/docs", "/healthz", "/openapi.json")
_COUNTED = ("/predict", "/explain", "/healthz", "/metrics", "/")


class Gate:
    """ASGI middleware around the whole application.

    Attributes:
        unanswered: requests that were given up because the server stopped.
    """

    def __init__(self, app: Any, metrics: Metrics, key: str | None, hosts: Hosts) -> None:
        """Wrap `app`; requests must carry `key`, or if it is None be for one of `hosts`."""
        self._app, self._metrics, self._hosts = app, metrics, hosts
        self._key = key.encode() if key else None
        self.unanswered = 0

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
            if self._key is None:
                self._hosts.check(scope["method"], scope["headers"])
            elif not is_open(scope["path"]) and not self._has_key(scope["headers"]):
                text = "A key is required. Send the header 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
                raise RefusedError(401, text, {"WWW-Authenticate": "Bearer"})
            await self._app(scope, receive, noting)
        except RefusedError as refusal:
            await error_response(refusal)(scope, receive, noting)
        except ClientGoneError:
            status = _CLOSED
        except asyncio.CancelledError:
            self.unanswered += 1
            if not status:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_WORDS):
                        await error_response(_STOPPED)(scope, receive, noting)
            raise
        except Exception:  # a defect: reported in the log, not to the client
            _LOG.exception("A request failed.")
            if not status:
                await error_response(FAILED)(scope, receive, noting)
        finally:
            self._metrics.count(route_of(scope["path"]), status, time.perf_counter() - started)

    def _has_key(self, headers: list[tuple[bytes, bytes]]) -> bool:
        assert self._key is not None
        given = b""
        for name, value in headers:
            if name == b"x-api-key":
                given = value
            elif name == b"authorization" and value[:7].lower() == b"bearer ":
                given = value[7:].strip()
        return hmac.compare_digest(given, self._key)


_STOPPED = RefusedError(503, "The server stopped before the request was answered.", {"Connection": "close"})
FAILED = RefusedError(500, "The server failed to process this request.")


def error_response(refusal: RefusedError) -> Response:
    """Return an error in TensorFlow Serving's form."""
    content = orjson.dumps({"error": refusal.text.encode("utf-8", "replace").decode()})
    return Response(content, refusal.status, refusal.headers, "application/json")


def is_open(path: str) -> bool:
    """Return whether a path is served without the key."""
    return path in _OPEN or path.startswith("/page/")


def route_of(path: str) -> str:
    """Return the name under which a path is counted, one of a few, whatever clients request."""
    if path in _COUNTED:
        return path
    if path.startswith("/v1/models/"):
        return "/v1/models:predict" if path.endswith(":predict") else "/v1/models"
    return "other"
