"""Clients that do not read, or send more than is wanted: they lose their place, and still get the answer that is due to them."""

import contextlib
import http.client
import socket
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.serving.raw import HEALTH, HOST, exchange, received, statuses
from tests.serving.running import Running, served

_OF_5_MB = bytes(5_000_000)


def unread(server: Running, sent: bytes, address: str = "127.0.0.1") -> socket.socket:
    """A connection that takes in little, and sends without reading."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.bind((address, 0))
    connection.connect(("127.0.0.1", server.port))
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        connection.send(sent)
    return connection


def is_open(connection: socket.socket) -> bool:
    """Whether the server has not reset a connection."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and connection.fileno() >= 0


@pytest.mark.parametrize("key", [None, "secret"], ids=["without a key", "open paths"])
def test_clients_that_never_read_lose_their_place(export: Path, key: str | None) -> None:
    limits: dict[str, Any] = {"send_seconds": 0.5, "send_buffer_kb": 4, "idle_seconds": 1, "drain_seconds": 0.5, "pipelined": 1000}
    with served(export, connections=20, connections_per_address=20, api_key=key, **limits) as running:
        request = b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n"
        hostile = [unread(running, request * 200) for _ in range(20)]
        assert statuses(exchange(running, HEALTH)) == [503]
        until = time.monotonic() + 8
        while statuses(exchange(running, HEALTH, final=b"}")) != [200] and time.monotonic() < until:
            time.sleep(0.2)
        assert statuses(exchange(running, HEALTH, final=b"}")) == [200]
        assert sum(is_open(connection) for connection in hostile) <= 1
        for connection in hostile:
            connection.close()


def test_a_slow_reader_gets_all_of_its_answers(export: Path) -> None:
    with served(export, send_seconds=5, send_buffer_kb=4, pipelined=50) as running:
        request = b"GET /page/page.js HTTP/1.1\r\n" + HOST + b"\r\n"
        connection = unread(running, request * 30)
        connection.setblocking(True)
        connection.settimeout(2)
        page = exchange(running, request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).partition(b"\r\n\r\n")[2]
        answer = b""
        while answer.count(page) < 30:
            time.sleep(0.002)
            answer += connection.recv(20_000)
        assert statuses(answer) == [200] * 30
        connection.close()


def test_an_address_has_its_share_of_the_places_whatever_it_does(export: Path) -> None:
    with served(export, connections=20, connections_per_address=8, header_seconds=60) as running:
        silent = [unread(running, b"", "127.0.0.2") for _ in range(200)]
        answers = [status for connection in silent[8:] for status in statuses(_first(connection))]
        assert Counter(answers) == {503: len(answers)}
        assert statuses(exchange(running, HEALTH, final=b"}")) == [200], "another address"
        for connection in silent:
            connection.close()
        time.sleep(0.2)
        assert statuses(exchange(running, HEALTH, final=b"}")) == [200]


def _first(connection: socket.socket) -> bytes:
    with contextlib.suppress(ConnectionError, BlockingIOError):
        connection.send(HEALTH)
    connection.settimeout(0.5)
    return received(connection)


def _posted(server: Running, body: bytes, **headers: str) -> int:
    """Return the status of a client that reads nothing before it has sent everything."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    client.request("POST", "/v1/models/tiny:predict", body, headers)
    status = client.getresponse().status
    client.close()
    return status


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_early_refusals_reach_clients_that_are_still_sending(export: Path, connection: str) -> None:
    with served(export, api_key="secret", max_body_mb=1) as running:
        assert [_posted(running, _OF_5_MB, Connection=connection) for _ in range(10)] == [401] * 10
        keyed = {"Connection": connection, "X-API-Key": "secret"}
        assert [_posted(running, _OF_5_MB, **keyed) for _ in range(10)] == [413] * 10
        assert [_posted(running, _OF_5_MB, **keyed, A="b" * 64_000) for _ in range(10)] == [431] * 10


def test_refusals_for_lack_of_room_reach_clients_that_are_still_sending(export: Path) -> None:
    with served(export, connections=1, header_seconds=60) as running, running.connect():
        time.sleep(0.1)
        assert [_posted(running, _OF_5_MB) for _ in range(10)] == [503] * 10


def test_what_is_discarded_after_a_refusal_is_bounded_in_time_and_size(export: Path) -> None:
    refused = b"POST /predict HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: 1000000000\r\n\r\n"
    with served(export, api_key="secret", drain_seconds=0.5, drain_mb=20) as running, running.connect() as connection:
        began = time.monotonic()
        connection.sendall(refused)
        assert statuses(received(connection)) == [401]
        sent = 0
        with pytest.raises(ConnectionError):
            while sent < 200_000_000:
                sent += connection.send(bytes(100_000))
        assert sent < 60_000_000
        with running.connect() as slow:
            slow.sendall(refused)
            with pytest.raises(ConnectionError):
                while True:
                    slow.sendall(b"x")
                    time.sleep(0.05)
        assert time.monotonic() - began < 5
