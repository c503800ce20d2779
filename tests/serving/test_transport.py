"""An answer's headers leave with its body, and alone where no body follows at once; nothing is lost when a connection is closed."""

import asyncio
from typing import Any

import pytest

from transfer.serving.transport import PatientTransport

HEAD, BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", b"body"


class Inner:
    """asyncio's transport: notes what is sent, in which pieces."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def write_eof(self) -> None:
        self.ended = "half closed"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int) -> None: ...


def sent(*steps: Any, unread: bool = False) -> tuple[list[bytes], str]:
    """Write bytes, call methods by name, let a round of the loop pass at None; return what was sent, and how it ended."""
    inner = Inner()

    async def play() -> None:
        transport = PatientTransport(inner, asyncio.get_running_loop(), lambda: unread, 60, 100)
        for step in steps:
            if step is None:
                await asyncio.sleep(0)
            elif isinstance(step, bytes):
                transport.write(step)
            else:
                getattr(transport, step)()
        transport.lost()

    asyncio.run(play())
    return inner.sent, inner.ended


@pytest.mark.parametrize(
    ("steps", "pieces"),
    [
        ((HEAD, BODY), [HEAD + BODY]),
        ((HEAD, BODY, None), [HEAD + BODY]),
        ((HEAD, None, BODY), [HEAD, BODY]),
        ((HEAD, b"", None), [HEAD]),
        ((HEAD, BODY, HEAD, BODY), [HEAD + BODY, HEAD + BODY]),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, BODY), [b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD, BODY]),
        ((BODY, b"\r\n\r\n"), [BODY, b"\r\n\r\n"]),
    ],
)
def test_headers_leave_with_the_body_that_follows_at_once(steps: tuple[Any, ...], pieces: list[bytes]) -> None:
    assert sent(*steps)[0] == pieces


@pytest.mark.parametrize(("unread", "ended"), [(False, "closed"), (True, "half closed")])
def test_headers_without_a_body_leave_before_the_connection_is_closed(unread: bool, ended: str) -> None:
    assert sent(HEAD, "close", BODY, None, unread=unread) == ([HEAD], ended)


def test_a_connection_that_is_given_up_sends_nothing_more() -> None:
    assert sent(HEAD, "abort", None) == ([], "aborted")
