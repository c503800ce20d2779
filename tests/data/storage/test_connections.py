"""Errors of object storage in plain words, and what is tried again."""

import itertools
from typing import Any

import pytest

from tests.buckets import Bucket
from transfer.data.storage import RemotePath, below, connections, read_bytes
from transfer.data.storage.connections import call
from transfer.errors import DataError

PATH = RemotePath("s3://images/flowers")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PAUSES", (0.01, 0.02))


class AnswerError(Exception):
    """As gcsfs (`code`) and azure (`status_code`) raise."""

    def __init__(self, **facts: Any) -> None:
        super().__init__("a private text")
        self.__dict__.update(facts)


class ServiceRequestError(Exception):
    """Of the same name as azure's."""


def failing(errors: "list[Exception]") -> Any:
    waiting = iter(errors)

    def request() -> str:
        error = next(waiting, None)
        if error is not None:
            raise error
        return "done"

    return request


@pytest.mark.parametrize(
    "error",
    [
        AnswerError(code=503), AnswerError(code=429), AnswerError(status_code=500), AnswerError(status=502), TimeoutError(),
        ConnectionResetError(),
        ServiceRequestError(), AnswerError(response={"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 200}}),
    ],
)  # fmt: skip
def test_what_passes_is_tried_again(error: Exception) -> None:
    assert call(failing([error, error]), PATH) == "done"
    with pytest.raises(DataError, match=r"does not answer: .*, 3 times\. .*what was done is kept\. Received 's3://images") as caught:
        call(failing([error] * 3), PATH)
    assert "private" not in str(caught.value)


def test_pauses_grow_and_vary(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(connections.time, "sleep", slept.append)
    monkeypatch.setattr(connections, "PAUSES", (1.0, 2.0, 4.0, 8.0))
    with pytest.raises(DataError):
        call(failing([TimeoutError()] * 9), PATH)
    assert len(slept) == 4 and all(0.75 * pause <= one <= 1.25 * pause for one, pause in zip(slept, (1, 2, 4, 8), strict=True))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError(), FileNotFoundError), (AnswerError(code=404), FileNotFoundError), (PermissionError(), PermissionError),
        (AnswerError(status_code=403), PermissionError), (AnswerError(code=400), OSError), (ValueError("private"), OSError),
    ],
)  # fmt: skip
def test_what_stays_is_told_at_once(error: Exception, kind: type[Exception]) -> None:
    tries = itertools.count()
    with pytest.raises(kind) as caught:
        call(lambda: (next(tries) and "") or failing([error])(), PATH)
    assert next(tries) == 1 and "private" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredToken", "credentials have expired. Get new ones and start again"),
        ("InvalidAccessKeyId", "credentials are not accepted"),
    ],
)
def test_refused_credentials_are_one_line_with_where_they_come_from(bucket: Bucket, code: str, words: str) -> None:
    bucket.put("flowers/a.png", b"x")
    bucket.server.refuse = lambda method, path: code
    bucket.server.requests.clear()
    for request in (lambda: list(below(PATH)), lambda: read_bytes("s3://images/flowers/a.png")):
        with pytest.raises(DataError, match=words) as caught:
            request()
        text = str(caught.value)
        assert "AWS_ACCESS_KEY_ID" in text and "private" not in text and "kept-nowhere" not in text and "\n" not in text
    assert sum(bucket.server.requests.values()) == 2


def test_no_credentials(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(DataError, match=r"No credentials were found\. .*FSSPEC_S3_ANON=true"):
        list(below(PATH))


def test_a_bucket_that_does_not_exist(bucket: Bucket) -> None:
    for request in (lambda: list(below(RemotePath("s3://nobody/x"))), lambda: read_bytes("s3://nobody/x")):
        with pytest.raises(DataError, match=r"bucket does not exist.*Received 's3://nobody/x'"):
            request()
    with pytest.raises(DataError, match="no name of a bucket"):
        list(below(RemotePath("s3://No_Bucket!/x")))


def test_a_server_that_is_not_there(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="does not answer"):
        read_bytes("s3://images/x")


def test_objects_that_are_missing_or_closed(bucket: Bucket) -> None:
    bucket.put("a", b"x")
    with pytest.raises(FileNotFoundError):
        read_bytes("s3://images/b")
    bucket.server.refuse = lambda method, path: "AccessDenied"
    with pytest.raises(PermissionError) as caught:
        read_bytes("s3://images/a")
    assert caught.value.strerror == "access denied"


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs"), ("hdfs", "fsspec")])
def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, scheme: str, package: str) -> None:
    imported = connections.importlib.import_module

    def missing(name: str) -> Any:
        if name == package:
            raise ImportError(f"No module named {name!r}")
        return imported(name)

    monkeypatch.setattr(connections.importlib, "import_module", missing)
    connections._made.cache_clear()
    with pytest.raises(DataError, match=rf'pip install "keras-transfer\[cloud\]" \(or: pip install {package}\)'):
        list(below(RemotePath(f"{scheme}://bucket/x")))
