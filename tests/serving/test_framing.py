"""However the bytes of a connection are cut, the parser reads the same requests, one in a piece."""

import itertools

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.serving.framing import Framing
from transfer.serving.refusals import RefusedError

_SMALL = st.binary(max_size=40) | st.text("\r\n0;", max_size=30).map(str.encode)


def _fixed(body: bytes) -> bytes:
    return b"POST /fixed HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _chunked(chunks: list[bytes]) -> bytes:
    parts = b"".join(b"%x;e\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk)
    return b"POST /chunked HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\nA: b\r\n\r\n"


_REQUEST = st.just(b"GET / HTTP/1.1\r\na: b\r\n\r\n") | _SMALL.map(_fixed) | st.lists(_SMALL, max_size=4).map(_chunked)


class _Reader:
    """A parser whose callbacks tell a framing what uvicorn's would."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.framing, self.requests, self.in_piece, self.most = Framing(1000, 10), [], 0, 0  # type: Framing, list[bytes], int, int
        self.headers: dict[bytes, bytes] = {}

    def on_message_begin(self) -> None:
        self.framing.begin()
        self.headers, self.body = {}, b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name] = value

    def on_headers_complete(self) -> None:
        announced = self.headers.get(b"Content-Length")
        self.framing.end_head(None if announced is None else int(announced))

    def on_chunk_header(self) -> None:
        self.framing.chunk()

    def on_body(self, body: bytes) -> None:
        self.framing.receive(len(body))
        self.body += body

    def on_message_complete(self) -> None:
        self.framing.check()
        self.requests.append(self.body)
        self.in_piece += 1
        self.framing = Framing(1000, 10)

    def read(self, data: bytes) -> None:
        start = 0
        while start < len(data):
            end = self.framing.cut(data, start)
            assert end > start
            self.in_piece = 0
            self.parser.feed_data(data[start:end])
            self.most = max(self.most, self.in_piece)
            start = end


@given(st.lists(_REQUEST, min_size=1, max_size=5), st.lists(st.integers(1, 400)))
def test_requests_are_read_as_without_cutting_and_no_piece_holds_two(requests: list[bytes], lengths: list[int]) -> None:
    stream = b"".join(requests)
    whole, cut = _Reader(), _Reader()
    whole.parser.feed_data(stream)
    places = sorted({min(sum(lengths[: number + 1]), len(stream)) for number in range(len(lengths))} | {0, len(stream)})
    for start, end in itertools.pairwise(places):
        cut.read(stream[start:end])
    assert cut.requests == whole.requests
    assert cut.most == 1


@pytest.mark.parametrize("split", range(1, 30))
def test_a_blank_line_that_arrives_in_two_parts_ends_a_piece(split: int) -> None:
    reader, stream = _Reader(), b"GET / HTTP/1.1\r\na: b\r\n\r\n" * 3
    reader.read(stream[:split])
    reader.read(stream[split:])
    assert (len(reader.requests), reader.most) == (3, 1)


def test_bodies_and_the_lines_that_carry_them_are_not_counted_as_headers() -> None:
    reader = _Reader()
    reader.read(_chunked([b"x" * 10] * 1000) + _fixed(b"x" * 5000))
    assert [len(body) for body in reader.requests] == [10_000, 5000]


@pytest.mark.parametrize(
    ("size", "count", "refused"), [(1000, 10, False), (1001, 10, True), (1000, 11, True)], ids=["allowed", "too large", "too many"]
)
def test_headers_are_bounded_in_size_and_number(size: int, count: int, refused: bool) -> None:
    framing = Framing(1000, 10)
    framing.begin()
    framing.cut(b"a" * size, 0)
    try:
        for _ in range(count):
            framing.header()
        framing.check()
    except RefusedError as refusal:
        assert (refused, refusal.status) == (True, 431)
    else:
        assert not refused


def test_a_body_of_blank_lines_does_not_cost_a_call_for_each() -> None:
    reader = _Reader()
    stream = _chunked([b"\r\n\r\n" * 50_000])
    pieces, start = 0, 0
    while start < len(stream):
        end = reader.framing.cut(stream, start)
        reader.parser.feed_data(stream[start:end])
        pieces, start = pieces + 1, end
    assert pieces < 1100
    assert reader.requests == [b"\r\n\r\n" * 50_000]
