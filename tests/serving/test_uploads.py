"""Plain uploads: each file gets its classes or its own error; file names are never used as paths; the page is served."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.decoding import encoders as e
from tests.data.decoding.drawings import DRAWINGS
from tests.serving.running import Running, image, served, truncated
from transfer.serving import admission
from transfer.serving.bodies import Held
from transfer.serving.refusals import ImageError, RefusedError

FILES = [
    ("file", ("red.jpg", image("red"))),
    ("file", ("cut.jpg", truncated())),
    ("file", ("notes.txt", b"some text")),
    ("other", ("blue.tif", image("blue", kind="TIFF"))),
    ("file", ("empty.png", b"")),
]


def test_bad_files_among_good_ones_get_their_own_errors(server: Running) -> None:
    with server.client() as client:
        answer = client.post("/predict", files=FILES)
    assert answer.status_code == 200
    assert answer.json()["model"] == {"name": "tiny", "version": "1"}
    rows = {row["file"]: row for row in answer.json()["predictions"]}
    assert list(rows) == ["red.jpg", "cut.jpg", "notes.txt", "blue.tif", "empty.png"]
    assert rows["cut.jpg"] == {"file": "cut.jpg", "error": "damaged: truncated or broken"}
    assert rows["notes.txt"]["error"] == "not an image"
    assert rows["empty.png"]["error"] == "not an image: empty"
    assert (rows["red.jpg"]["label"], rows["blue.tif"]["label"]) == ("red", "blue")
    assert rows["red.jpg"]["is_ood"] is False
    probabilities = [one["probability"] for one in rows["red.jpg"]["classes"]]
    assert rows["red.jpg"]["classes"][0]["name"] == "red"
    assert probabilities == sorted(probabilities, reverse=True)


def test_formats_that_need_an_extra_are_refused_by_name_and_never_parsed(server: Running) -> None:
    raw = e.camera_raw(np.zeros((32, 32), np.uint16), Image.new("RGB", (8, 8)))
    files = {
        "a.dng": raw,
        "b.dcm": bytes(128) + b"DICM" + bytes(40),
        "c.jxl": b"\xff\x0a" + bytes(40),
        "d.eps": b"%!PS",
        "e.pdf": b"%PDF-1.7",
    }
    with server.client() as client:
        answer = client.post("/predict", files=[("file", item) for item in files.items()])
    assert answer.status_code == 400
    assert {row["file"]: row["error"] for row in answer.json()["predictions"]} == {
        "a.dng": "unsupported format: a camera raw file (DNG); convert it to PNG or TIFF",
        "b.dcm": "unsupported format: a DICOM file; convert it to PNG or TIFF",
        "c.jxl": "unsupported format: a JPEG XL image; convert it to PNG or TIFF",
        "d.eps": "unsupported format: a PostScript drawing (EPS); export it as PNG",
        "e.pdf": "unsupported format: a PDF document; export its pages as PNG",
    }


def test_no_program_is_started_for_an_upload(server: Running, gs: Path) -> None:
    files = [("file", (f"{name}.jpg", data)) for name, data in DRAWINGS.items()]
    with server.client() as client:
        answer = client.post("/predict", files=[*files, FILES[0]])
        assert len([row for row in answer.json()["predictions"] if "error" in row]) == len(DRAWINGS)
        for data in DRAWINGS.values():
            body = {"instances": [{"b64": base64.b64encode(data).decode()}]}
            assert client.post("/v1/models/tiny:predict", json=body).status_code == 400
            assert client.post("/explain", files={"file": data}).status_code == 400
    assert not gs.exists()


def test_where_no_file_is_good_the_request_is_refused(server: Running) -> None:
    with server.client() as client:
        answer = client.post("/predict", files=FILES[1:3])
    assert answer.status_code == 400
    assert answer.json()["error"] == "No image could be classified."
    assert [row["error"] for row in answer.json()["predictions"]] == ["damaged: truncated or broken", "not an image"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\x", "a\x00b", "~/x", "%2e%2e%2fx"])
def test_file_names_are_never_used_as_paths(server: Running, name: str) -> None:
    with server.client() as client:
        answer = client.post("/predict", files={"file": (name, image())})
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["label"] == "red"


@pytest.mark.parametrize(
    "path", ["/page/..%2fapp.py", "/page/%2e%2e/app.py", "/page//etc/passwd", "/page/.", "/page/", "/page/nothing", "/etc"]
)
def test_no_address_leads_to_other_files(server: Running, path: str) -> None:
    with server.client() as client:
        answer = client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"error": "There is nothing at this address."})


def test_the_page_and_its_files_are_served(server: Running) -> None:
    with server.client() as client:
        page, script = client.get("/"), client.get("/page/page.js")
    assert page.headers["content-type"].startswith("text/html")
    assert script.headers["content-type"].startswith("text/javascript")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "<title>" in page.text


@pytest.mark.parametrize("chosen", [None, "blue"])
def test_an_explanation_names_the_class_that_it_explains(server: Running, chosen: str | None) -> None:
    with server.client() as client:
        answer = client.post("/explain", files={"file": ("x.jpg", image())}, data={"class": chosen} if chosen else {})
    assert answer.status_code == 200
    assert (answer.json()["label"], answer.json()["explained"]) == ("red", chosen or "red")
    assert answer.json()["heat"].startswith("data:image/png;base64,")
    assert answer.json()["neighbours"] == []


@pytest.mark.parametrize(
    ("files", "data", "error"),
    [
        (FILES[1:2], {}, "damaged"),
        (FILES[2:3], {}, "not an image"),
        (FILES[:2], {}, "Expected one file in the form"),
        (FILES[:1], {"class": "purple"}, "Unknown class"),
        ([*FILES[:1], ("class", ("x.jpg", b"x"))], {}, "Expected one file"),
    ],
)
def test_what_cannot_be_explained_is_refused(server: Running, files: Any, data: Any, error: str) -> None:
    with server.client() as client:
        answer = client.post("/explain", files=files, data=data)
    assert answer.status_code == 400
    assert error in answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "application/json"}, b"{}", 415),
        ({}, b"x", 415),
        ({"content-type": "multipart/form-data"}, b"x", 400),
        ({"content-type": "multipart/form-data; boundary=x"}, b"", 400),
        ({"content-type": "multipart/form-data; boundary=x"}, b"no boundary here", 400),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n", 400),
        (
            {"content-type": "multipart/form-data; boundary=x; charset=zlib"},
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\na\r\n--x--\r\n',
            400,
        ),
        ({"content-type": "multipart/form-data; boundary=x", "content-encoding": "gzip"}, b"x", 415),
    ],
)
def test_forms_that_cannot_be_read_are_refused(server: Running, headers: dict[str, str], body: bytes, status: int) -> None:
    with server.client() as client:
        for path in ("/predict", "/explain"):
            answer = client.post(path, content=body, headers=headers)
            assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_the_number_of_images_in_a_request_is_bounded(export: Path) -> None:
    files = [("file", ("x.jpg", image()))] * 4
    with served(export, max_images=3) as running, running.client() as client:
        assert client.post("/predict", files=files[:3]).status_code == 200
        answer = client.post("/predict", files=files)
        assert answer.status_code == 413
        answer = client.post("/v1/models/tiny:predict", json={"instances": ["x"] * 4})
        assert (answer.status_code, answer.json()) == (413, {"error": "At most 3 images in one request. Received 4."})


def progressive(scans: int) -> bytes:
    """A JPEG whose last scan stands there so many times."""
    buffer = io.BytesIO()
    Image.new("L", (64, 64)).save(buffer, "JPEG", progressive=True)
    whole = buffer.getvalue()
    last = whole.rfind(b"\xff\xda")
    return whole[:last] + whole[last:-2] * scans + whole[-2:]


def test_images_that_take_minutes_by_their_form_are_refused_by_their_header() -> None:
    assert admission.ordinary(progressive(5), 100.0) is not None
    with pytest.raises(ImageError, match=r"scans of 4,096 pixels"):
        admission.ordinary(progressive(2000), 100.0)
    comments = b"\xff\xd8" + b"\xff\xfe\x00\x02" * 200_000 + progressive(1)[2:]
    assert admission.ordinary(comments, 100.0) is None, "given to Pillow after 10,000 segments"
    with pytest.raises(ImageError):
        admission.uploaded(b"\xff\xd8" + b"\xff" * 3_000_000, 100.0)


def test_large_requests_that_never_end_leave_room_for_small_ones() -> None:
    held = Held(100e6)
    with held.account() as need, held.account() as other:
        need(100_000_000)
        with pytest.raises(RefusedError):
            other(2_000_000)
        other(900_000)
