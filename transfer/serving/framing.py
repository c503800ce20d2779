"""How far one request reaches in what a connection receives, and how much of it is neither body nor needed to carry it.

httptools parses whatever it is given and cannot be stopped after a request. It is therefore given pieces that end where the
request may end: after a blank line, or with the last byte of the announced length. How the bytes are cut changes nothing in what it
reads, so a mistake here could cost a limit, never let a body be read as a request.
"""

from transfer.serving.refusals import RefusedError

_BLANK_LINE = b"\r\n\r\n"
_CHUNK_LINE = 16
"""Bytes of a chunk that are no body and do not count: its size in up to 12 digits, and two line ends."""
_MOST_CUTS = 1000
"""Blank lines after which a chunked body is no longer cut: each costs a call, and a hostile body may consist of them."""


class Framing:
    """One request that a connection is about to receive, or receives.

    Attributes:
        open: whether it has begun.
        in_head: whether its headers are not complete.
        left: bytes of its body still to come; None if their number was not announced.
        body: bytes of its body so far.
    """

    def __init__(self, max_bytes: int, max_headers: int) -> None:
        """Limit its first line, headers, trailers and chunk extensions, together."""
        self._max_bytes, self._max_headers = max_bytes, max_headers
        self.open, self.in_head, self.left, self.body = False, True, None, 0  # type: bool, bool, int | None, int
        self._bytes = self._headers = self._chunks = self._cuts = 0
        self._last = b""

    def cut(self, data: bytes, start: int) -> int:
        """Return the end of the piece of `data` to parse next; it holds the end of at most one request.

        Until a request is complete, all pieces must be parsed in turn.
        """
        if self.left:
            return min(len(data), start + self.left)
        end = len(data) if self._cuts > _MOST_CUTS else self._after_blank_line(data, start)
        self._bytes += end - start
        return end

    def _after_blank_line(self, data: bytes, start: int) -> int:
        seam = (self._last + data[start : start + 3]).find(_BLANK_LINE)
        found = data.find(_BLANK_LINE, start) if seam < 0 else start + seam - len(self._last)  # it may begin before `data`
        if seam < 0 and found < 0:
            self._last = (self._last + data[max(start, len(data) - 3) :])[-3:]
            return len(data)
        self._last = b""
        self._cuts += 1
        return found + len(_BLANK_LINE)

    def check(self) -> None:
        """Check what was cut so far.

        Raises:
            RefusedError: 431 if too much of it is no body, or there are too many headers and trailers.
        """
        if self._headers > self._max_headers or self._bytes > self._max_bytes + _CHUNK_LINE * self._chunks:
            limits = f"at most {self._max_headers} headers, of {self._max_bytes:,} bytes with the first line and trailers"
            raise RefusedError(431, f"The headers are too large: {limits}.")

    def begin(self) -> None:
        """Note that a request has begun, in the piece that was cut last."""
        self.open = True

    def header(self) -> None:
        """Count a header or trailer; `check` if there are too many."""
        self._headers += 1
        if self._headers > self._max_headers:
            self.check()

    def end_head(self, announced: int | None) -> None:
        """Note that the headers are complete.

        Args:
            announced: length of the body; None if it is not known.
        """
        self.in_head, self.left = False, announced

    def chunk(self) -> None:
        """Count a chunk of the body."""
        self._chunks += 1

    def receive(self, size: int) -> None:
        """Count so many bytes of the body."""
        self.body += size
        if self.left is None:
            self._bytes -= size
        else:
            self.left -= size
