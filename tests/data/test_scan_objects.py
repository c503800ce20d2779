"""The scan of a bucket: read once, remembered by what the listing says, whatever happens meanwhile."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.buckets import Bucket
from transfer.config import DataConfig
from transfer.data import scan_memory, sources
from transfer.data.dataset import Dataset
from transfer.errors import DataError
from transfer.system.progress import Silent


@pytest.fixture
def url(bucket: Bucket, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder of 12 images in a bucket, which were not changed just now."""
    monkeypatch.setattr(scan_memory, "RACY_NS", -(10**10))
    return bucket.put_folder(image_folder(count=6), "data")


def read(url: str, decode_test: bool = False, **settings: object) -> Dataset:
    return sources.read(DataConfig.model_validate({"source": url} | settings), Silent(), decode_test)


def test_the_manifest_is_that_of_the_folder(bucket: Bucket, url: str, tmp_path: Path) -> None:
    for key, data in {"cut.png": b"\x89PNG\r\n\x1a\n", "empty.jpg": b"", "text.jpg": b"no image at all"}.items():
        bucket.put(f"data/red/{key}", data)
        (tmp_path / "data" / "red" / key).write_bytes(data)
    local, remote = read(str(tmp_path / "data")).table, read(url).table
    pd.testing.assert_frame_equal(remote.drop(columns="ctime_ns"), local.drop(columns="ctime_ns"))
    assert (remote["reason"] != "").sum() == 3


def test_a_second_scan_reads_nothing(bucket: Bucket, url: str) -> None:
    first = read(url)
    bucket.server.requests.clear()
    second = read(url)
    assert set(bucket.server.requests) == {"LIST"}
    pd.testing.assert_frame_equal(first.table, second.table)


def test_only_what_changed_is_read_again(bucket: Bucket, url: str) -> None:
    read(url)
    new = bucket.client.get_object(Bucket="images", Key="data/red/001.png")["Body"].read()
    bucket.put("data/red/000.png", new)
    bucket.put("data/red/new.png", new)
    bucket.delete("data/red/002.png")
    bucket.server.requests.clear()
    table = read(url).table.set_index("path")
    assert bucket.server.requests["GET"] == 2
    assert "red/002.png" not in table.index and table.at["red/000.png", "digest"] == hashlib.sha256(new).hexdigest()


def test_objects_that_vanish_or_are_closed_are_rows_with_a_reason(bucket: Bucket, url: str) -> None:
    def refuse(method: str, path: str) -> str:
        if method == "GET" and path.endswith("red/000.png"):
            bucket.delete("data/red/000.png")
        return "AccessDenied" if path.endswith("red/001.png") else ""

    bucket.server.refuse = refuse
    table = read(url).table.set_index("path")
    assert table.at["red/000.png", "reason"] == "vanished while the folder was read"
    assert table.at["red/001.png", "reason"] == "cannot be read: access denied"
    assert (table["reason"] == "").sum() == 10
    bucket.server.refuse = lambda method, path: ""
    assert (read(url).table["reason"] == "").sum() == 11  # neither is remembered


def test_answers_503_change_nothing(bucket: Bucket, url: str) -> None:
    expected, asked = read(url).table, set[str]()
    scan_memory.memory_path(sources.root(DataConfig(source=url), Silent())).unlink()

    def refuse(method: str, path: str) -> str:
        first = path not in asked
        asked.add(path)
        return "SlowDown" if first else ""

    bucket.server.refuse = refuse
    pd.testing.assert_frame_equal(read(url).table, expected)
    assert len(asked) == 13


def test_an_expired_token_stops_the_scan_and_what_was_read_is_remembered(bucket: Bucket, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer.data.scan._TOGETHER", 2)
    answered = iter(range(8))
    bucket.server.refuse = lambda method, path: "ExpiredToken" if path.endswith(".png") and next(answered, None) is None else ""
    with pytest.raises(DataError, match="credentials have expired"):
        read(url, connections=1)
    bucket.server.refuse = lambda method, path: ""
    bucket.server.requests.clear()
    assert (read(url).table["reason"] == "").all()
    assert 4 <= bucket.server.requests["GET"] < 12


def test_the_bucket_is_only_read(bucket: Bucket, url: str) -> None:
    bucket.server.requests.clear()
    read(url, decode_test=True)
    assert set(bucket.server.requests) == {"LIST", "GET"}


def test_an_object_too_large_for_an_image_is_skipped(bucket: Bucket, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer.data.reading._METADATA", 2000)
    table = read(url, max_megapixels=1e-6).table
    assert table["reason"].str.startswith("too large").all()


def test_a_table_of_urls(bucket: Bucket, url: str, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = "".join(f"{url}/{label}/{number:03d}.png,{label}\n" for label in ("red", "green") for number in range(6))
    table.write_text("path,label\n" + rows)
    found = read(str(table))
    assert str(found.root) == "s3://images" and (found.table["reason"] == "").all()
    assert list(found.table["path"])[:2] == ["data/green/000.png", "data/green/001.png"]
    bucket.server.requests.clear()
    read(str(table))
    assert "GET" not in bucket.server.requests and "HEAD" not in bucket.server.requests


def test_a_table_in_the_bucket_and_one_with_a_remote_root(bucket: Bucket, url: str, tmp_path: Path) -> None:
    text = "path,label\nred/000.png,red\n./green/001.png,green\n"
    bucket.put("data/labels.csv", text.encode())
    (tmp_path / "labels.csv").write_text(text)
    remote, local = read(f"{url}/labels.csv"), read(str(tmp_path / "labels.csv"), root=url)
    assert str(remote.root) == str(local.root) == url
    pd.testing.assert_frame_equal(remote.table, local.table)
    assert list(remote.table["path"]) == ["green/001.png", "red/000.png"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["s3://images/data/red/none.png,red"], r"Row 2 .*does not exist"),
        (["s3://images/data/red/000.png,red", "s3://other/x.png,red"], r"Row 3 .*leads out .*s3://images"),
        (["s3://images/data/red/000.png,red", "/local/x.png,red"], r"Row 3 .*leads out"),
        (["s3://images/data/red,red"], r"is a folder"),
        (["s3://key:hidden@images/x.png,red"], r"must not hold credentials"),
        (["red/000.png,red", "s3://images/data/red/000.png,red"], r"does not exist|leads out"),
    ],
)
def test_tables_with_paths_that_cannot_be(bucket: Bucket, url: str, tmp_path: Path, rows: list[str], words: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["path,label", *rows]) + "\n")
    with pytest.raises(DataError, match=words) as caught:
        read(str(table))
    assert "hidden" not in str(caught.value)


def test_missing_objects_may_be_skipped(bucket: Bucket, url: str, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(f"path,label\n{url}/red/000.png,red\n{url}/red/none.png,red\n")
    assert list(read(str(table), missing_files="skip").table["reason"]) == ["", "missing file"]
