"""TensorFlow Serving's interface: its forms of request and answer, its words, its status codes."""

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from tests.serving.running import Running, image, truncated


def b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def ask(server: Running, body: Any, path: str = "/v1/models/tiny:predict") -> tuple[int, Any]:
    with server.client() as client:
        answer = client.post(path, json=body)
    return answer.status_code, answer.json()


RED, BLUE = b64(image("red")), b64(image("blue", kind="PNG"))


@pytest.mark.parametrize(
    "instances",
    [[RED, BLUE], [{"image_bytes": RED}, {"image_bytes": BLUE}]],
    ids=["plain", "named"],
)
def test_rows_are_answered_with_rows(server: Running, instances: list[Any]) -> None:
    status, answer = ask(server, {"instances": instances})
    assert status == 200
    assert list(answer) == ["predictions"]
    assert [row["label"] for row in answer["predictions"]] == ["red", "blue"]
    first = answer["predictions"][0]
    assert first["classes"] == ["red", "green", "blue"]
    assert first["score"] == max(first["probabilities"])
    assert sum(first["probabilities"]) == pytest.approx(1, abs=1e-6)
    assert first["is_ood"] is False
    assert first["ood_score"] < 1


@pytest.mark.parametrize("inputs", [{"image_bytes": [RED, BLUE]}, [RED, BLUE]], ids=["named", "bare list"])
def test_columns_are_answered_with_columns(server: Running, inputs: Any) -> None:
    status, answer = ask(server, {"inputs": inputs, "signature_name": "serving_default"})
    assert status == 200
    assert list(answer) == ["outputs"]
    assert answer["outputs"]["label"] == ["red", "blue"]
    assert np.array(answer["outputs"]["probabilities"]).shape == (2, 3)
    assert answer["outputs"]["is_ood"] == [False, False]


def test_numbers_are_written_with_as_few_digits_as_float32_needs(server: Running) -> None:
    _, answer = ask(server, {"inputs": [b64(image("white"))]})
    assert answer["outputs"]["score"] == [0.33333334]
    assert answer["outputs"]["ood_score"] == [2.5]
    assert answer["outputs"]["is_ood"] == [True]


@pytest.mark.parametrize(
    "write",
    [
        lambda data: {"b64": base64.urlsafe_b64encode(data).decode()},
        lambda data: {"b64": base64.urlsafe_b64encode(data).decode().rstrip("=")},
        lambda data: {"b64": base64.encodebytes(data).decode()},
        lambda data: {"b64": f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"},
        lambda data: {"b64": f"DATA:image/jpeg;charset=utf-8;BASE64,{base64.b64encode(data).decode()}"},
        lambda data: {"b64": f"data:;base64,{base64.urlsafe_b64encode(data).decode().rstrip('=')}"},
        lambda data: {"b64": "data:image/jpeg;base64," + quote(base64.b64encode(data).decode(), safe="")},
        lambda data: f"data:image/jpeg;base64,{base64.b64encode(data).decode()}",
    ],
    ids=["URL-safe", "URL-safe without padding", "lines", "data URL", "capitals", "data URL of URL-safe", "percent", "bare data URL"],
)
def test_base64_is_read_as_clients_write_it(server: Running, write: Callable[[bytes], Any]) -> None:
    images = [image("red"), image("blue", kind="PNG")]
    assert any("-" in text or "_" in text for text in (base64.urlsafe_b64encode(data).decode() for data in images)), "the alphabets differ"
    _, expected = ask(server, {"instances": [b64(data) for data in images]})
    for body in ({"instances": list(map(write, images))}, {"instances": [{"image_bytes": write(data)} for data in images]}):
        assert ask(server, body) == (200, expected)
    status, answer = ask(server, {"inputs": list(map(write, images))})
    assert (status, answer["outputs"]["label"]) == (200, ["red", "blue"])


def test_base64_without_padding_and_with_white_space_is_read(server: Running) -> None:
    text = RED["b64"].rstrip("=")
    status, answer = ask(server, {"instances": [{"b64": text[:40] + "\n" + text[40:]}]})
    assert (status, answer["predictions"][0]["label"]) == (200, "red")


def test_images_as_numbers_and_explanations_go_over_the_same_route(server: Running) -> None:
    grey = np.full((32, 32, 3), 10)
    grey[:, :, 1] = 200
    status, answer = ask(server, {"signature_name": "images", "instances": [grey.tolist()]})
    assert (status, answer["predictions"][0]["label"]) == (200, "green")
    status, answer = ask(server, {"signature_name": "explain", "instances": [{"image_bytes": RED, "class_number": -1}]})
    assert status == 200
    assert np.array(answer["predictions"][0]["heat"]).shape == (4, 4)
    assert np.array(answer["predictions"][0]["image"]).shape == (32, 32, 3)
    status, answer = ask(server, {"signature_name": "explain", "inputs": {"image_bytes": [RED], "class_number": [2]}})
    assert (status, np.array(answer["outputs"]["heat"]).max()) == (200, 0)


def test_formats_that_tensorflow_lacks_are_read_as_predict_reads_them(server: Running) -> None:
    _, answer = ask(server, {"instances": [b64(image("green", kind="TIFF")), b64(image("blue", kind="PCX"))]})
    assert [row["label"] for row in answer["predictions"]] == ["green", "blue"]


@pytest.mark.parametrize("place", ["", "/versions/1"])
def test_status_and_metadata(server: Running, place: str) -> None:
    with server.client() as client:
        status = client.get(f"/v1/models/tiny{place}").json()
        metadata = client.get(f"/v1/models/tiny{place}/metadata").json()
    state = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert status == {"model_version_status": [state]}
    assert metadata["model_spec"] == {"name": "tiny", "signature_name": "", "version": "1"}
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", "images", "explain"} <= set(signatures)
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"
    image_bytes = signatures["serving_default"]["inputs"]["image_bytes"]
    assert image_bytes["dtype"] == "DT_STRING"
    assert image_bytes["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/v1/models/other", 404, "Could not find any versions of model other"),
        ("/v1/models/tiny/versions/7", 404, "Could not find version 7 of model tiny"),
        ("/v1/models/other/metadata", 404, "Servable not found for request: Latest(other)"),
        ("/v1/models/tiny/versions/x", 400, "Malformed request: GET /v1/models/tiny/versions/x"),
        ("/v1/models", 400, "Malformed request: GET /v1/models"),
        ("/v1/models/tiny:predict", 405, "Malformed request: GET /v1/models/tiny:predict"),
    ],
)
def test_addresses_that_are_wrong(server: Running, path: str, status: int, error: str) -> None:
    with server.client() as client:
        answer = client.get(path)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/v1/models/other:predict", "Servable not found for request: Latest(other)"),
        ("/v1/models/tiny/versions/7:predict", "Servable not found for request: Specific(tiny, 7)"),
    ],
)
def test_models_that_are_not_there(server: Running, path: str, error: str) -> None:
    assert ask(server, {"instances": [RED]}, path) == (404, {"error": error})


IMAGES, EXPLAIN = {"signature_name": "images"}, {"signature_name": "explain"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ([], "Is not object"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": "x"}, "Expecting 'instances' to be a list"),
        ({"instances": [RED], "inputs": [RED]}, "expecting only one of"),
        ({"signature_name": "wrong", "instances": [RED]}, 'Serving signature name: "wrong" not found in signature def'),
        ({"signature_name": 3, "instances": [RED]}, "'signature_name' key must be a string value"),
        ({"instances": [{"b64": "@@@"}]}, "Unable to base64 decode. Received the text '@@@'."),
        ({"instances": [{"b64": "/9j_4AAQSkZJRgABAQ"}]}, "Unable to base64 decode"),
        ({"instances": [{"b64": "A"}]}, "Unable to base64 decode"),
        ({"instances": [{"b64": "AAAA=AAA"}]}, "Unable to base64 decode"),
        ({"instances": [{"b64": "\u00e9\u00e9\u00e9\u00e9"}]}, "Unable to base64 decode"),
        ({"instances": [{"b64": "data:image/png," + RED["b64"]}]}, "begins with 'data:image/png,/9j/4...'"),
        ({"instances": [{"b64": "data:image/png;base64,%"}]}, "Unable to base64 decode"),
        ({"instances": [{"b64": "data:image/png;base64,"}]}, "not an image: empty"),
        ({"instances": ["data:image/png;base64,@@"]}, "Unable to base64 decode. Received text of 24 characters"),
        ({"instances": [RED["b64"]]}, 'Base64 goes into {"b64": ...}.'),
        ({"instances": ["/tmp/rose.jpg"]}, "not an image. Received the text '/tmp/rose.jpg'."),
        ({"instances": ["https://example.org/rose.jpg"]}, "Received text of 28 characters that begins with 'https://example.org/...'."),
        ({"instances": [b64(b"\x00\x01\x02\x03 nothing")]}, "not an image. Received 12 bytes that begin with 00 01 02 03 20 6e 6f 74."),
        ({"instances": {"b64": RED["b64"]}}, "to be a list/array. Received an object with the keys b64."),
        ({"instances": [3]}, "Received 3."),
        ({"instances": [True]}, "Received true."),
        ({"instances": [{}]}, "Received an empty object."),
        ({"inputs": "x"}, "Received the text 'x'."),
        ({"instances": [{"b64": 5}]}, "keys must be equal to: image_bytes"),
        ({"instances": [{"image": RED}]}, "keys must be equal to: image_bytes"),
        ({"instances": [RED, {"image_bytes": RED}]}, "Expecting value/list but got object at item 1"),
        ({"instances": [{"image_bytes": RED}, RED]}, "Expecting object but got list at item 1"),
        ({"instances": [[RED]]}, "Failed to process element: 0"),
        ({"instances": [None]}, "Failed to process element: 0"),
        ({"instances": [b64(b"")]}, "not an image"),
        ({"instances": [RED, b64(b"some text")]}, "Failed to process element: 1 of 'instances' list. Error: not an image"),
        ({"instances": [RED, BLUE, b64(truncated())]}, "Failed to process element: 2 of 'instances' list. Error: damaged"),
        ({"inputs": {"image": [RED]}}, "Missing named input: image_bytes in 'inputs' object"),
        ({"inputs": {"image_bytes": RED}}, "must be a list of rows"),
        ({"inputs": {"image_bytes": []}}, "No values"),
        (IMAGES | {"instances": [[[1, 2, 3]]]}, "Expecting shape [?,32,32,3] but got: [1,1,3]"),
        (IMAGES | {"instances": [[1, 2], [3]]}, "differ in shape"),
        (IMAGES | {"instances": ["12"]}, "not of expected type: float32"),
        (IMAGES | {"instances": np.full((1, 32, 32, 3), 1e300).tolist()}, "without loss of precision"),
        (EXPLAIN | {"instances": [RED]}, "expecting list of objects as multiple input tensors required"),
        (EXPLAIN | {"inputs": [RED]}, "expecting an object as multiple input tensors required"),
        (EXPLAIN | {"instances": [{"image_bytes": RED, "class_number": 1.5}]}, "not of expected type: int32"),
        (EXPLAIN | {"instances": [{"image_bytes": RED, "class_number": 2**40}]}, "without loss of precision"),
        (EXPLAIN | {"inputs": {"image_bytes": [RED], "class_number": [1, 2]}}, "same number of rows"),
        (
            EXPLAIN | {"instances": [{"image_bytes": RED, "class_number": 0}, {"image_bytes": BLUE, "class_number": 77}]},
            "Failed to process element: 1 of 'instances' list. Error: class_number must be from 0 to 2, or -1 for the most probable class. "
            "Received 77.",
        ),
        (EXPLAIN | {"inputs": {"image_bytes": [RED], "class_number": [3]}}, "element: 0 of the inputs. Error: class_number must be"),
        (EXPLAIN | {"inputs": {"image_bytes": [RED], "class_number": [-2]}}, "or -1 for the most probable class. Received -2"),
        (EXPLAIN | {"inputs": {"image_bytes": ["text"], "class_number": [2]}}, "not an image"),
    ],
)
def test_requests_that_are_wrong_are_refused_in_words(server: Running, body: Any, error: str) -> None:
    status, answer = ask(server, body)
    assert status == 400
    assert list(answer) == ["error"]
    assert error in answer["error"]
    assert len(answer["error"]) < 300


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"null", b'"x"', b"[" * 100_000, b'{"instances":[NaN]}', b'{"a":' * 5000 + b"1" + b"}" * 5000],
    ids=["empty", "cut", "no unicode", "null", "string", "deep list", "nan", "deep object"],
)
def test_bodies_that_are_no_json_object_are_refused(server: Running, body: bytes) -> None:
    with server.client() as client:
        answer = client.post("/v1/models/tiny:predict", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("JSON ")
