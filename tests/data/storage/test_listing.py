"""The objects of a folder, in pages."""

from datetime import UTC, datetime
from typing import Any

import fsspec
import pytest

from tests.buckets import Bucket
from transfer.data.storage import RemotePath, below, beside, identity_of, listing

pytest.importorskip("s3fs")


class Pages:
    """Answers as S3 does, a thousand keys at a time, without a server."""

    def __init__(self, keys: list[str]) -> None:
        self.keys, self.requests = keys, 0

    def call_s3(self, method: str, Bucket: str, Prefix: str, MaxKeys: int, ContinuationToken: str = "0") -> dict[str, Any]:  # noqa: N803
        self.requests += 1
        start = int(ContinuationToken)
        facts = {"Size": 3, "ETag": '"x"', "LastModified": datetime(2026, 1, 2, tzinfo=UTC)}
        page = [{"Key": key} | facts for key in self.keys[start : start + MaxKeys] if key.startswith(Prefix)]
        more = start + MaxKeys < len(self.keys)
        return {"Contents": page, "IsTruncated": more} | ({"NextContinuationToken": str(start + MaxKeys)} if more else {})


def test_twenty_thousand_keys_come_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages([f"flowers/cats/{number:05d}.jpg" for number in range(20_000)])
    monkeypatch.setattr(listing, "filesystem", lambda path: pages)
    found = below(RemotePath("s3://images/flowers"))
    assert next(found).path == "cats/00000.jpg" and pages.requests == 1  # no page before it is needed
    assert [one.path for one in found] == [f"cats/{number:05d}.jpg" for number in range(1, 20_000)]
    assert pages.requests == 20
    assert len(list(below(RemotePath("s3://images/flowers"), first=True))) == 1000 and pages.requests == 21


def test_a_server_gives_pages(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_PAGE", 10)
    for number in range(25):
        bucket.put(f"flowers/a/{number:02d}")
    bucket.server.requests.clear()
    assert [one.path for one in below(RemotePath("s3://images/flowers"))] == [f"a/{number:02d}" for number in range(25)]
    assert bucket.server.requests == {"LIST": 3}
    assert {one.path for one in beside(RemotePath("s3://images/flowers/a"))} == {f"{number:02d}" for number in range(25)}


def test_identities_tell_changes(bucket: Bucket) -> None:
    folder = RemotePath("s3://images/a")
    bucket.put("a/x", b"1")
    bucket.put("ab/x", b"another folder")
    (first,) = below(folder)
    assert first.path == "x" and first.identity[0] == 1 and first.identity == identity_of(folder / "x")
    assert all(0 <= number < 2**63 for number in first.identity)
    bucket.put("a/x", b"2")
    (second,) = below(folder)
    assert second.identity[3] != first.identity[3]


def test_beside_lists_one_folder(bucket: Bucket) -> None:
    for key in ("a/x", "a/b/y", "a/b/c/z", "d"):
        bucket.put(key, b"1")
    assert {one.path for one in beside(RemotePath("s3://images/a"))} == {"x", "b/"}
    assert {one.path for one in beside(RemotePath("s3://images"))} == {"a/", "d"}
    assert [one.path for one in below(RemotePath("s3://images"))] == ["a/b/c/z", "a/b/y", "a/x", "d"]


def test_other_storage_is_listed_folder_by_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """gcsfs, adlfs and hdfs by the same code as fsspec's storage in memory."""
    memory = fsspec.filesystem("memory")
    monkeypatch.setattr(listing, "filesystem", lambda path: memory)
    for key in ("/gbucket/f/cats/1", "/gbucket/f/cats/2", "/gbucket/f/dogs/x/3", "/gbucket/g/4"):
        memory.pipe_file(key, b"123")
    folder = RemotePath("gs://gbucket/f")
    monkeypatch.setattr(memory, "_strip_protocol", lambda url: "/" + url.partition("://")[2].rstrip("/"), raising=False)
    found = sorted(below(folder))
    assert [one.path for one in found] == ["cats/1", "cats/2", "dogs/x/3"]
    assert all(one.identity[0] == 3 and one.identity[1] == one.identity[2] > 1e18 for one in found)
    assert {one.path for one in beside(folder)} == {"cats/", "dogs/"}
    assert list(below(RemotePath("gs://gbucket/none"))) == []


@pytest.mark.parametrize(
    "facts",
    [
        {"size": 5, "LastModified": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)},
        {"size": 5, "updated": "2026-01-02T03:04:05.000Z"},
        {"size": 5, "mtime": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()},
        {"size": 5, "last_modified": datetime(2026, 1, 2, 3, 4, 5)},
    ],
)
def test_the_times_of_every_provider_are_read(facts: dict[str, object]) -> None:
    seconds = int(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()) * 10**9
    assert listing._identity(facts) == (5, seconds, seconds, 0)
    assert listing._identity(facts | {"etag": '"x"'})[3] > 0
