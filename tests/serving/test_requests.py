"""Requests as they may come over a connection, good and hostile: what is answered, and what is not even parsed."""

from pathlib import Path

import pytest

from tests.serving.raw import EMPTY, HEALTH, HOST, POST, exchange, received, statuses
from tests.serving.running import Running, served

LAST = b'"version":"1"}'
"""How an answer of /healthz ends."""


def fixed(headers: bytes = b"", body: bytes = b"{}") -> bytes:
    return POST + headers + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def chunked(body: bytes = b"2\r\n{}\r\n", trailers: bytes = b"", headers: bytes = b"") -> bytes:
    return POST + headers + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n" + trailers + b"\r\n"


_UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (HEALTH * 3, [200] * 3),
        (fixed() + HEALTH, [400, 200]),
        (chunked() + HEALTH, [400, 200]),
        (chunked(b'1;a=b;c="d"\r\n{\r\n1\r\n}\r\n', b"X-A: b\r\n") + fixed() + HEALTH, [400, 400, 200]),
        (b"\r\n\r\n\r\n" + HEALTH, [200]),
        (fixed(_UPGRADE) + HEALTH, [400, 200]),
        (fixed(_UPGRADE, HEALTH) + HEALTH, [400, 200]),
        (b"GET /healthz HTTP/1.1\r\n" + _UPGRADE + HOST + b"\r\n" + HEALTH, [200, 200]),
        (b"GET http://localhost:1/healthz?a HTTP/1.1\r\nHost: evil.example\r\n\r\n", [200]),
    ],
    ids=["three", "length", "chunks", "trailers", "empty lines", "upgrade", "hidden in an upgrade", "upgrade of GET", "absolute"],
)
def test_requests_are_answered_in_turn_whether_they_come_at_once_or_byte_by_byte(server: Running, sent: bytes, answers: list[int]) -> None:
    whole = exchange(server, sent, final=LAST) if len(answers) == 1 else exchange(server, sent + b"GET", seconds=0.5)
    assert statuses(whole) == answers
    assert statuses(exchange(server, *(bytes([byte]) for byte in sent), seconds=0.5)) == answers
    if b"Upgrade: h2c" in sent and b"{}" in sent:
        assert EMPTY in whole, "the body was read"


_MANY = b"".join(b"A%d: b\r\n" % number for number in range(101))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n", 400),
        (b"GET /healthz\r\n\r\n", 400),
        (b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (chunked(headers=_UPGRADE), 400),
        (chunked(b"x\r\n"), 400),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + _MANY + b"\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"A: " + b"b" * 64_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 64_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"a:b\r\n" * 400_000, 431),
        (b"\r\n" * 1_000_000, 431),
        (chunked(trailers=_MANY), 431),
        (chunked(trailers=b"A: " + b"b" * 2_000_000 + b"\r\n"), 431),
        (chunked(b"2;" + b"a" * 2_000_000 + b"\r\n{}\r\n"), 431),
        (chunked((b"1;" + b"a" * 100 + b"\r\n{\r\n") * 20_000), 431),
    ],
    ids=[
        "no host", "two hosts", "version 2", "version 0.9", "connect", "tls", "upgrade with chunks", "no chunk", "coding", "many headers",
        "large header", "large address", "endless headers", "endless lines", "many trailers", "large trailer", "large extension",
        "extensions",
    ],
)  # fmt: skip
def test_what_is_no_request_or_too_large_is_refused_once_and_closed(server: Running, sent: bytes, status: int) -> None:
    answer = exchange(server, sent + HEALTH)
    assert statuses(answer) == [status]
    assert b"connection: close\r\n" in answer.lower()
    assert answer.rpartition(b"\r\n\r\n")[2].startswith(b'{"error":')
    assert server.engine.held.now == 0


def test_headers_are_bounded_before_the_key_is_looked_at(export: Path) -> None:
    with served(export, api_key="secret", max_header_kb=1, max_headers=5) as running:
        assert statuses(exchange(running, b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n", final=b"KEY'.\"}")) == [401]
        for headers in (b"A: b\r\n" * 5, b"A: " + b"b" * 1000 + b"\r\n"):
            assert statuses(exchange(running, b"GET /metrics HTTP/1.1\r\n" + HOST + headers + b"\r\n")) == [431]
        text = exchange(running, b"GET /metrics HTTP/1.1\r\nX-API-Key: secret\r\nConnection: close\r\n" + HOST + b"\r\n")
        assert b'transfer_requests_total{route="other",status="431"} 2.0' in text


def test_trailers_do_not_become_headers(server: Running) -> None:
    answer = exchange(server, chunked(trailers=b"Content-Encoding: gzip\r\n"), final=EMPTY)
    assert statuses(answer) == [400]
    assert EMPTY in answer


@pytest.mark.parametrize(("version", "continues"), [(b"1.1", True), (b"1.0", False)])
def test_a_client_that_waits_to_send_its_body_is_told_to(server: Running, version: bytes, continues: bool) -> None:
    with server.connect() as connection:
        connection.settimeout(1)
        connection.sendall(fixed(b"Expect: 100-continue\r\n", b"").replace(b"h: 0", b"h: 2").replace(b"HTTP/1.1", b"HTTP/" + version))
        if continues:
            assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")


def test_a_client_that_is_refused_while_it_waits_to_send_its_body_may_not_go_on(server: Running) -> None:
    refused = b"POST /predict HTTP/1.1\r\nHost: evil.example\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n"
    with server.connect() as connection:
        connection.settimeout(5)
        connection.sendall(refused)
        answer = received(connection)
        assert connection.recv(1) == b""
    assert statuses(answer) == [403], "and the connection is closed: whether a body follows is unknown"


def test_pipelined_requests_beyond_the_limit_are_not_taken(export: Path) -> None:
    with served(export, pipelined=2, drain_seconds=0.5) as running:
        assert statuses(exchange(running, HEALTH * 1500)) == [200] * 3
        with running.connect() as connection:
            for _ in range(10):  # one after the other
                connection.sendall(HEALTH)
                assert statuses(received(connection, LAST)) == [200]
