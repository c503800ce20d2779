"""Requests written by hand over a bare connection, and everything that comes back."""

import contextlib
import re
import socket

from tests.serving.running import Running

HOST = b"Host: localhost\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /v1/models/tiny:predict HTTP/1.1\r\n" + HOST
EMPTY = b"{\"error\":\"Missing 'inputs' or 'instances' key\"}"
"""The answer to the body `{}`."""


def exchange(server: Running, *pieces: bytes, seconds: float = 5, final: bytes = b"") -> bytes:
    """Send pieces one after the other; return what arrives until the server closes, `seconds` pass, or `final` was received."""
    with server.connect() as connection:
        connection.settimeout(seconds)
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        return received(connection, final)


def received(connection: socket.socket, final: bytes = b"") -> bytes:
    """Return what arrives until the server closes, it takes too long, or `final` was received."""
    answer = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        while (part := connection.recv(65536)) and not (final and (answer + part).endswith(final)):
            answer += part
        answer += part
    return answer


def statuses(answer: bytes) -> list[int]:
    """Return the status of each answer in a stream."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]
