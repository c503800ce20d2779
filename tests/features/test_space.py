"""The space needed on disk is printed before it is used, and an extraction that cannot fit does not begin."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import lmdb
import pytest

from transfer.errors import StoreError
from transfer.features import space
from transfer.system.progress import Silent


class Heard(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=count))


def test_much_is_reported_with_what_is_free_and_little_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    free(monkeypatch, 5 * 10**9)
    space.require(tmp_path, 10**6, 5, heard)
    assert heard.lines == []
    space.require(tmp_path, 703 * 10**6, 3506, heard)
    assert heard.lines == [f"Storing features of 3,506 images and views: 703 MB of 5.0 GB free in {tmp_path}"]


def test_what_does_not_fit_is_refused_with_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 10**6)
    with pytest.raises(StoreError, match=r"need 703 MB; 1 MB are free\. Free some space .*TRANSFER_HOME.*fewer augment.views"):
        space.require(tmp_path, 703 * 10**6, 3506, Silent())


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (2.5e6, "2 MB"), (3e9, "3.0 GB"), (2e12, "2.0 TB")]
)
def test_sizes_are_said_for_people(count: float, text: str) -> None:
    assert space.size(count) == text


@pytest.mark.parametrize("width", [10, 1000, 3072, 14 * 14 * 512])
def test_the_room_of_a_record_is_what_the_store_takes_for_it(tmp_path: Path, width: int) -> None:
    count = 400
    with lmdb.open(str(tmp_path), map_size=1 << 28) as store:
        with store.begin(write=True) as transaction:
            for number in range(count):
                transaction.put(f"{number:048d}".encode(), bytes(2 * width))
        pages = sum(store.stat()[kind] for kind in ("branch_pages", "leaf_pages", "overflow_pages")) * store.stat()["psize"]
    assert space.record_bytes(width, 2) == pytest.approx(pages / count, rel=0.35, abs=150)
