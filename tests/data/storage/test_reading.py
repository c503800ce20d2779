"""The bytes of objects by name, many at a time."""

import hashlib
import threading
from pathlib import Path

import pytest

from tests.buckets import Bucket
from transfer.data import storage
from transfer.data.storage import CHANGED, RemotePath, contents, name_with_digest, read_bytes, reading, write_bytes, write_file
from transfer.errors import DataError


def named(key: str, data: bytes) -> bytes:
    return name_with_digest(f"s3://images/{key}".encode(), hashlib.sha256(data).hexdigest())


def test_objects_and_local_files_are_read_by_name(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"local")
    bucket.put("ä b/#1?.png", b"remote")
    bucket.put("empty")
    assert read_bytes(tmp_path / "a") == read_bytes(str(tmp_path / "a").encode()) == b"local"
    assert read_bytes("s3://images/ä b/#1?.png") == b"remote" == RemotePath("s3://images/ä b/#1?.png").read_bytes()
    assert read_bytes("s3://images/empty") == b""
    assert read_bytes("s3://images/ä b/#1?.png", most=3) == b"rem"


def test_one_request_for_each_object(bucket: Bucket) -> None:
    bucket.put("a", b"x" * 100_000)
    bucket.server.requests.clear()
    read_bytes("s3://images/a")
    assert dict(bucket.server.requests) == {"GET": 1}


def test_a_changed_object_is_not_read_under_its_old_digest(bucket: Bucket) -> None:
    bucket.put("a", b"new")
    with pytest.raises(OSError) as caught:
        read_bytes(named("a", b"old"))
    assert caught.value.strerror == CHANGED


def test_the_cache_is_asked_first_where_the_digest_is_known(bucket: Bucket) -> None:
    bucket.put("a", b"data")
    read_bytes("s3://images/a", cache_gb=1)
    bucket.delete("a")
    assert read_bytes(named("a", b"data"), cache_gb=1) == b"data"
    with pytest.raises(FileNotFoundError):
        read_bytes(named("a", b"data"))  # switched off
    with pytest.raises(FileNotFoundError):
        read_bytes("s3://images/a", cache_gb=1)  # it may be another one now


def test_contents_come_in_order_with_errors_in_place(bucket: Bucket) -> None:
    names = [f"s3://images/{number}" for number in range(60)]
    for number in range(60):
        if number % 7:
            bucket.put(str(number), b"%d" % number)
    found = list(contents(names, 8))
    assert [one if isinstance(one, bytes) else type(one) for one in found] == [
        b"%d" % number if number % 7 else FileNotFoundError for number in range(60)
    ]


def test_contents_use_the_connections_and_do_not_run_away(monkeypatch: pytest.MonkeyPatch) -> None:
    together, most, started = 0, 0, 0
    lock = threading.Lock()
    all_busy = threading.Barrier(8, timeout=10)

    def slow(name: str, *rest: object) -> bytes:
        nonlocal together, most, started
        with lock:
            started += 1
            together += 1
            most = max(most, together)
        if int(name) < 8:
            all_busy.wait()
        with lock:
            together -= 1
        return b"x" * 1000

    monkeypatch.setattr(reading, "read_bytes", slow)
    stream = contents([str(number) for number in range(200)], 8)
    next(stream)
    assert most == 8 and started <= 17
    stream.close()
    assert started <= 17
    monkeypatch.setattr(reading, "_AHEAD_BYTES", 3000)
    started, stream = 100, contents([str(number) for number in range(100, 200)], 8)
    for _ in range(40):
        next(stream)
    assert started - 100 <= 40 + 16
    started = 0
    for _ in range(40):
        next(stream)
    assert started <= 43  # three of a thousand bytes ahead
    stream.close()


def test_temporary_refusals_are_not_seen(bucket: Bucket) -> None:
    for number in range(20):
        bucket.put(str(number), b"x")
    seen: set[str] = set()

    def once(method: str, path: str) -> str:
        if method == "GET" and path not in seen:
            seen.add(path)
            return "SlowDown"
        return ""

    bucket.server.refuse = once
    assert list(contents([f"s3://images/{number}" for number in range(20)], 4)) == [b"x"] * 20
    assert len(seen) == 20


def test_a_token_that_expires_stops_the_reading(bucket: Bucket) -> None:
    for number in range(40):
        bucket.put(str(number), b"x")
    answered = iter(range(10))
    bucket.server.refuse = lambda method, path: "" if next(answered, None) is not None else "ExpiredToken"
    with pytest.raises(DataError, match="have expired"):
        list(contents([f"s3://images/{number}" for number in range(40)], 4))


def test_results_are_written(bucket: Bucket, tmp_path: Path) -> None:
    write_bytes(RemotePath("s3://images/out/a.csv"), b"a,b\n")
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    write_file(RemotePath("s3://images/out/b"), tmp_path / "file")
    assert bucket.keys() == ["out/a.csv", "out/b"]
    assert read_bytes("s3://images/out/a.csv") == b"a,b\n" and read_bytes("s3://images/out/b") == b"x" * 100_000
    with RemotePath("s3://images/out/a.csv").open(encoding="utf-8-sig") as opened:
        assert opened.read() == "a,b\n"
    with pytest.raises(FileNotFoundError):
        storage.identity_of(RemotePath("s3://images/out"))
