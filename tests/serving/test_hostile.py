"""Hostile bodies and clients that vanish, against a server in a process of its own: refused, and nothing of them is left."""

import json
import re
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.serving.running import command, image, tiny_run
from tests.serving.test_tf_serving_api import b64
from tests.serving.test_transcoding import tiff

PREDICT = "/v1/models/tiny:predict"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    run = tiny_run(tmp_path_factory.mktemp("hostile") / "run")
    with (
        command(run, "--name", "tiny", "--max-megapixels", "30", "--batches", "1") as (_, url),
        httpx.Client(base_url=url, timeout=30, trust_env=False) as opened,
    ):
        yield opened
        assert opened.get("/healthz").status_code == 200
        answer = opened.post(PREDICT, json={"instances": [b64(image())]})
        assert answer.json()["predictions"][0]["label"] == "red"


def left(client: httpx.Client) -> dict[str, float]:
    """Return what the server holds at the moment."""
    text = client.get("/metrics").text
    return {name: float(re.search(rf"^{name} (\S+)$", text, re.M)[1]) for name in ("transfer_held_bytes", "transfer_waiting_images")}  # type: ignore[index]


@pytest.mark.parametrize("item", [b"[]", b"0", b"{}", b'""', b"[[[]]]"], ids=repr)
@pytest.mark.parametrize("beginning", [b'{"instances":[', b'{"signature_name":"images","inputs":{"images":[', b"["])
def test_megabytes_of_small_values_are_refused(client: httpx.Client, beginning: bytes, item: bytes) -> None:
    ends = {b"{": b"}", b"[": b"]"}
    end = b"".join(ends[bytes([code])] for code in reversed(beginning) if bytes([code]) in ends)
    answer = client.post(PREDICT, content=beginning + b",".join([item] * (8_000_000 // len(item))) + end)
    assert answer.status_code == 413
    assert "more values than the largest valid one" in answer.json()["error"]


def test_many_large_images_in_one_request_are_refused_by_their_headers(client: httpx.Client) -> None:
    large = tiff(5000)
    answer = client.post(PREDICT, json={"instances": [b64(large)] * 24})
    assert (answer.status_code, answer.json()["error"][:43]) == (413, "The images of one request may have 512 mega")
    answer = client.post("/predict", files=[("file", ("a.tif", large))] * 24)
    assert answer.status_code == 413


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0], ids=["headers", "half of the body", "all"])
@pytest.mark.parametrize("kind", ["transcoded", "parsed"])
def test_nothing_is_left_of_clients_that_vanish(client: httpx.Client, kind: str, part: float) -> None:
    row = [[[0.5] * 3] * 32] * 32
    content = {"instances": [b64(tiff(4000))] * 8} if kind == "transcoded" else {"signature_name": "images", "instances": [row] * 100}
    body = json.dumps(content).encode()
    request = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (PREDICT.encode(), len(body))
    for _ in range(3):
        with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
            connection.sendall(request + body[: int(part * len(body))])
            time.sleep(0.4)
    for _ in range(100):
        if not any(left(client).values()):
            return
        time.sleep(0.05)
    assert not any(left(client).values())


def test_a_valid_request_of_millions_of_values_is_answered(client: httpx.Client) -> None:
    rows = [[[[200 * (number % 2), 100, 0]] * 32] * 32 for number in range(128)]
    answer = client.post(PREDICT, json={"signature_name": "images", "instances": rows})
    assert [row["label"] for row in answer.json()["predictions"]] == ["green", "red"] * 64
