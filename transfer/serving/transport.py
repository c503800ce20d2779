"""A connection's way out: how it is closed without losing an answer, and its deadlines."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

_DISCARDING = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds
_STATUS_LINE, _BLANK_LINE = b"HTTP/1.1 ", b"\r\n\r\n"


class Deadline:
    """Something that is done after some seconds, unless it is stopped before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
        self._loop, self._act = loop, act
        self._handle: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not passed."""
        return self._handle is not None

    def start(self, seconds: float) -> None:
        """Start; one that runs already goes on."""
        if self._handle is None:
            self._handle = self._loop.call_later(seconds, self._passed)

    def stop(self) -> None:
        """Stop, if it was started."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _passed(self) -> None:
        self._handle = None
        self._act()


class PatientTransport(asyncio.Transport):
    """asyncio's transport, closed so that the client gets the last answer.

    A socket that is closed while bytes of the client are unread makes the system reset the connection, and the client may lose the
    answer it has not read yet. Closing therefore ends only our half first, and reads on for some time.

    An answer's headers, which uvicorn writes by themselves, leave with its body: sending costs more than making a small answer.
    """

    def __init__(self, inner: Any, loop: asyncio.AbstractEventLoop, unread: Callable[[], bool], seconds: float, size: float) -> None:
        """Wrap asyncio's transport.

        Args:
            unread: whether the client may be sending what nobody will read.
            seconds: that a closing connection reads on for, at most.
            size: bytes that it reads, at most.
        """
        super().__init__()
        self._inner, self._unread, self._seconds, self._room = inner, unread, seconds, size
        self._closing, self._loop = False, loop
        self._headers = b""  # of an answer whose body has not been written
        self._end = Deadline(loop, self.abort)
        inner.set_write_buffer_limits(high=0)  # the protocol is told as soon as anything cannot be sent, and when all is sent

    def close(self) -> None:
        """Close, if need be after discarding what the client still sends."""
        if self._unread():
            self.drain()
        else:
            self.close_now()

    def close_now(self) -> None:
        """Close; bytes of the client that are on their way reset the connection."""
        self._send_headers()
        self._closing = True
        self._inner.close()

    def drain(self) -> None:
        """End our half, discard what the client still sends, then close."""
        if self.is_closing():
            return
        self._send_headers()
        self._closing = True
        with contextlib.suppress(OSError):  # already reset
            self._inner.write_eof()
        self._inner.resume_reading()
        self._end.start(self._seconds)

    def discard(self, size: int) -> None:
        """Count bytes that nobody reads; beyond the limit, close at once."""
        self._room -= size
        if self._room < 0:
            self.abort()

    def reset(self) -> None:
        """Close at once; what the system has not sent yet is dropped, and its memory freed."""
        with contextlib.suppress(OSError):
            self._inner.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARDING)
        self.abort()

    def lost(self) -> None:
        """Note that the connection is closed."""
        self._end.stop()

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        self._inner.abort()

    def is_closing(self) -> bool:
        """Return whether the connection is being closed."""
        return self._closing or self._inner.is_closing()

    def write(self, data: Any) -> None:
        """Send, unless the connection is being closed."""
        if self._closing:
            return
        if self._headers:
            data, self._headers = self._headers + data, b""
        elif data.startswith(_STATUS_LINE) and data.endswith(_BLANK_LINE):
            self._headers = data
            self._loop.call_soon(self._send_headers)  # should no body follow at once
            return
        self._inner.write(data)

    def _send_headers(self) -> None:
        headers, self._headers = self._headers, b""
        if headers and not self._closing:
            self._inner.write(headers)

    def pause_reading(self) -> None:
        """Stop receiving."""
        if not self._closing:
            self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._inner.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what asyncio knows about the connection."""
        return self._inner.get_extra_info(name, default)
