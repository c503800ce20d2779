"""Requests that are too large, too slow, too many or abandoned get the right answer, and the others are not affected."""

import contextlib
import io
import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.serving.running import Running, image, served, truncated
from tests.serving.test_tf_serving_api import b64
from transfer.serving.server import _allow_files

BODY = json.dumps({"instances": [b64(image())]}).encode()


@pytest.fixture(scope="module")
def strict(export: Path) -> Iterator[Running]:
    """A server with small limits."""
    limits = {
        "max_body_mb": 1,
        "held_mb": 2,
        "body_seconds": 0.4,
        "header_seconds": 0.4,
        "idle_seconds": 1,
        "queue_images": 4,
        "max_images": 4,
    }
    with served(export, **limits, batch_images=2, batches=1) as running:
        yield running


def alive(server: Running) -> bool:
    with server.client() as client:
        return client.post("/v1/models/tiny:predict", content=BODY).json()["predictions"][0]["label"] == "red"


def slowed(server: Running, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the model take its time."""
    signature = type(server.engine.versions.current.signatures["serving_default"])
    run = signature.run

    def slow(self: object, inputs: object) -> object:
        time.sleep(seconds)
        return run(self, inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(signature, "run", slow)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_100_megabytes_is_refused_without_being_held(strict: Running, announced: bool) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(1_000_000)

    headers = {"content-length": "100000000"} if announced else {}
    with strict.client() as client:
        answer = client.post("/v1/models/tiny:predict", content=chunks(), headers=headers)
    assert (answer.status_code, answer.json()) == (413, {"error": "The request is larger than 1 MB."})
    assert strict.engine.held.now == 0
    assert alive(strict)


def bomb() -> bytes:
    """A PNG of 30,000 x 30,000 pixels in a hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def large_tiff() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (12000, 12000)).save(buffer, "TIFF", compression="group4")
    return buffer.getvalue()


@pytest.mark.parametrize(("data", "megapixels"), [(bomb(), 900), (large_tiff(), 144)], ids=["png", "tiff"])
def test_decompression_bombs_are_refused_by_their_header(strict: Running, data: bytes, megapixels: int) -> None:
    with strict.client() as client:
        answer = client.post("/v1/models/tiny:predict", json={"instances": [b64(data)]})
        row = client.post("/predict", files=[("file", ("a", data)), ("file", ("b", image()))]).json()["predictions"]
    assert answer.status_code == 400
    assert f"too large: {megapixels} megapixels, the limit is 100" in answer.json()["error"]
    assert ("too large" in row[0]["error"], row[1]["label"]) == (True, "red")


def test_damaged_images_of_other_clients_do_not_spoil_a_batch(strict: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    slowed(strict, monkeypatch, 0.02)
    bodies = [json.dumps({"instances": [b64(truncated())]}).encode(), BODY]
    with strict.client() as client, ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda number: client.post("/v1/models/tiny:predict", content=bodies[number % 2]), range(12)))
    assert [answer.status_code for answer in answers] == [400, 200] * 6


def test_a_full_queue_is_answered_with_429_and_when_to_try_again(strict: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    slowed(strict, monkeypatch, 0.15)
    with strict.client() as client, ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda number: client.post("/v1/models/tiny:predict", content=BODY), range(16)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(int(answer.headers["retry-after"]) >= 1 and "busy" in answer.json()["error"] for answer in refused)
    assert alive(strict)


def test_an_answer_that_takes_too_long_is_given_up(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(export, request_seconds=0.3) as running, running.client() as client:
        slowed(running, monkeypatch, 0.8)
        answer = client.post("/v1/models/tiny:predict", content=BODY)
        assert (answer.status_code, answer.json()) == (504, {"error": "The answer took longer than 0.3 s."})
        monkeypatch.undo()
        time.sleep(0.7)
        assert alive(running)


def test_the_work_of_a_client_that_goes_away_is_dropped(strict: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    slowed(strict, monkeypatch, 0.8)
    request = b"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
    busy, gone = strict.connect(), strict.connect()
    busy.sendall(request)
    time.sleep(0.1)
    gone.sendall(request)
    time.sleep(0.35)
    waited = strict.engine._batcher.waiting
    gone.close()
    time.sleep(0.15)
    assert (waited, strict.engine._batcher.waiting) == (1, 0)
    assert busy.recv(100).startswith(b"HTTP/1.1 200")
    busy.close()
    monkeypatch.undo()
    assert alive(strict)


@pytest.mark.parametrize(
    ("beginning", "answer"),
    [
        (b"", b""),
        (b"POST /predict HT", b""),
        (b"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: localhost\r\n", b""),
        (b"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{", b"HTTP/1.1 408"),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /heal", b"HTTP/1.1 200"),
    ],
    ids=["silent", "first line", "headers", "body", "second request"],
)
def test_slow_senders_are_cut_off(strict: Running, beginning: bytes, answer: bytes) -> None:
    with strict.connect() as connection:
        connection.settimeout(5)
        connection.sendall(beginning)
        received = b""
        while part := connection.recv(4096):
            received += part
    assert received[: len(answer)] == answer
    assert strict.engine.held.now == 0


def test_beyond_the_limit_of_connections_clients_are_refused_and_the_server_lives(export: Path) -> None:
    # a patient server: one that cut the silent off while the others are being opened would have room again
    with served(export, connections=40, connections_per_address=40, header_seconds=60) as running:
        idle = [running.connect() for _ in range(60)]
        with running.client() as client:
            refused = client.get("/healthz")
            assert (refused.status_code, refused.json()) == (503, {"error": "Too many connections."})
            assert refused.headers["retry-after"] == "1"
        more = [running.connect() for _ in range(140)]
        more[-1].settimeout(5)
        assert more[-1].recv(100).startswith(b"HTTP/1.1 503")
        for connection in (*idle, *more):
            connection.close()
        time.sleep(0.1)
        assert alive(running)


def test_of_a_thousand_connections_the_first_are_answered_and_the_others_told_why(export: Path) -> None:
    _allow_files(2200)  # both ends are in this process
    request = b"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
    with served(export, queue_images=600, connections_per_address=512, header_seconds=60) as running:  # patient, as above
        connections = [running.connect() for _ in range(1000)]
        for connection in connections:
            with contextlib.suppress(ConnectionError):  # already refused
                connection.sendall(request)
        answers = [status_of(connection) for connection in connections]
        assert answers[:512] == [200] * 512
        assert set(answers[512:640]) == {503}
        assert set(answers[640:]) <= {503, None}, "at once, and perhaps before the request was read"
        for connection in connections:
            connection.close()
        time.sleep(0.1)
        assert alive(running)


def status_of(connection: socket.socket) -> int | None:
    """Return the status that a bare connection receives; None if it was closed without one."""
    with contextlib.suppress(ConnectionError):
        received = connection.recv(12)
        return int(received[9:]) if received else None
    return None


def test_hundreds_of_clients_at_once_each_get_an_answer(server: Running) -> None:
    with server.client(limits=httpx.Limits(max_connections=60)) as client, ThreadPoolExecutor(60) as threads:
        answers = list(threads.map(lambda number: client.post("/v1/models/tiny:predict", content=BODY), range(300)))
    assert {answer.status_code for answer in answers} == {200}
