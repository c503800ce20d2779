"""The cache of objects' bytes: bounded, checked, shared."""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from transfer.data.storage import byte_cache
from transfer.data.storage.byte_cache import ByteCache


def item(number: int, size: int = 1000) -> tuple[str, bytes]:
    data = number.to_bytes(4, "big") * (size // 4)
    return hashlib.sha256(data).hexdigest(), data


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_what_is_put_is_got(tmp_path: Path) -> None:
    cache = ByteCache(tmp_path, 10_000_000)
    for number in range(50):
        cache.put(*item(number))
    assert all(ByteCache(tmp_path, 10_000_000).get(item(number)[0]) == item(number)[1] for number in range(50))
    assert cache.get(item(99)[0]) is None


def test_damage_is_a_miss(tmp_path: Path) -> None:
    cache, (digest, data) = ByteCache(tmp_path, 10_000_000), item(1)
    cache.put(digest, data)
    file = tmp_path / digest[0] / digest
    for broken in (data[:-1], b"", data[:-1] + b"x"):
        file.write_bytes(broken)
        assert cache.get(digest) is None and not file.exists()
    cache.put(digest, data)
    assert cache.get(digest) == data


@pytest.mark.parametrize("most", [160_000, 1_000_000])
def test_it_is_bounded_while_it_is_written(tmp_path: Path, most: int) -> None:
    cache = ByteCache(tmp_path, most)
    for number in range(3000):
        cache.put(*item(number))
        if number % 500 == 0:
            assert size_of(tmp_path) <= most
    assert 0.5 * most < size_of(tmp_path) <= most


def test_the_oldest_go_and_what_was_just_written_stays(tmp_path: Path) -> None:
    first = ByteCache(tmp_path, 160_000)
    for number in range(400):
        first.put(*item(number))
    kept = [number for number in range(400) if first.get(item(number)[0])]
    assert kept and kept[-1] < 399  # full: later ones are not kept
    old = time.time() - 2 * byte_cache._SETTLED
    for number in kept:
        digest = item(number)[0]
        os.utime(tmp_path / digest[0] / digest, (old + number, old + number))
    second = ByteCache(tmp_path, 160_000)
    for number in range(1000, 1200):
        second.put(*item(number))
    left = [number for number in kept if second.get(item(number)[0])]
    assert second.get(item(1000)[0]) and len(left) < len(kept) and size_of(tmp_path) <= 160_000
    for folder in "0123456789abcdef":  # in each folder the later ones are left
        own = [number for number in kept if item(number)[0][0] == folder]
        assert [number for number in own if number in left] == own[len(own) - sum(number in left for number in own) :]


def test_several_processes_and_threads_keep_the_limit(tmp_path: Path) -> None:
    caches = [ByteCache(tmp_path, 500_000) for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: caches[number % 3].put(*item(number)), range(3000)))
    assert 200_000 < size_of(tmp_path) <= 500_000
    assert all(caches[0].get(file.name) is not None for file in tmp_path.rglob("*") if file.is_file())


def test_what_killed_processes_left_goes(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    left = tmp_path / "0" / ".abc.partial"
    left.write_bytes(b"x" * 1000)
    os.utime(left, (0, 0))
    cache = ByteCache(tmp_path, 10_000_000)
    for number in range(100):
        cache.put(*item(number))
    assert not left.exists()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "objects").write_bytes(b"a file")
    cache = ByteCache(tmp_path / "objects", 1_000_000)
    cache.put(*item(1))
    assert cache.get(item(1)[0]) is None


def test_zero_is_none() -> None:
    assert byte_cache.of(0) is None and byte_cache.of(0.001) is byte_cache.of(0.001)
