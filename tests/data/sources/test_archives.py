"""Zip and tar archives as DATA: the same data set as the folder; archives that must not be read."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from transfer.config import DataConfig
from transfer.data import sources
from transfer.data.storage import archive_members, archives
from transfer.data.storage.reading import read_bytes
from transfer.errors import DataError
from transfer.system.progress import Silent
from transfer.workflows.settings import data_name


def zipped(folder: Path, path: Path, top: str = "", method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{top}{file.relative_to(folder)}")
    return path


def tarred(folder: Path, path: Path, top: str = "./") -> Path:
    with tarfile.open(path, "w") as archive:
        archive.add(folder, top)
    return path


def manifest(source: Path) -> pd.DataFrame:
    table = sources.read(DataConfig(source=str(source)), Silent()).table
    return table.drop(columns=["ctime_ns"])


@pytest.fixture
def folder(image_folder: Callable[..., Path]) -> Path:
    root = image_folder(count=4)
    (root / "red" / "notes.txt").write_text("not an image")
    return root


@pytest.mark.parametrize("top", ["", "flower_photos/", "a/b/"])
@pytest.mark.parametrize("name", ["d.zip", "stored.ZIP", "d.tar", "d.tar.gz", "d.tgz", "d.tar.bz2", "d.txz"])
def test_an_archive_is_the_data_set_of_its_folder(folder: Path, tmp_path: Path, name: str, top: str) -> None:
    path = tmp_path / name
    if name.lower().endswith(".zip"):
        zipped(folder, path, top, zipfile.ZIP_STORED if name.startswith("stored") else zipfile.ZIP_DEFLATED)
    else:
        tarred(folder, path, f"./{top}")
        packers: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
        pack = next((packers[kind] for kind in packers if name.endswith(kind[-2:])), None)
        if pack:
            path.write_bytes(pack(path.read_bytes()))
    before = sorted(os.listdir(tmp_path))
    pd.testing.assert_frame_equal(manifest(path), manifest(folder))
    assert sorted(os.listdir(tmp_path)) == before, "something was written beside the user's data"


def test_a_second_scan_reads_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(folder, tmp_path / "d.zip")
    first = manifest(path)
    monkeypatch.setattr(archives, "read", lambda *_: pytest.fail("read again"))
    pd.testing.assert_frame_equal(manifest(path), first)


def test_an_archive_that_was_replaced_is_opened_again(folder: Path, tmp_path: Path) -> None:
    path = zipped(folder, tmp_path / "d.zip")
    manifest(path)
    (folder / "red" / "000.png").write_bytes((folder / "red" / "001.png").read_bytes())
    zipped(folder, path)
    table = manifest(path).set_index("path")
    assert table.loc["red/000.png", "digest"] == table.loc["red/001.png", "digest"]


def test_the_name_of_a_run_has_no_ending() -> None:
    assert [data_name(f"/x/{name}") for name in ("flowers.tar.gz", "Flowers.ZIP", "v1.2")] == ["flowers", "Flowers", "v1.2"]


def test_links_in_archives_are_not_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes((folder / "red" / "000.png").read_bytes())
    (folder / "red" / "link.png").symlink_to(secret)
    tar, zip_ = tarred(folder, tmp_path / "d.tar"), tmp_path / "d.zip"
    (folder / "red" / "link.png").unlink()
    with zipfile.ZipFile(zipped(folder, zip_), "a") as archive:
        entry = zipfile.ZipInfo("red/link.png")
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, str(secret))
    for path in (tar, zip_):
        row = manifest(path).set_index("path").loc["red/link.png"]
        assert (row["status"], row["reason"]) == ("skipped", "cannot be read: a link in an archive, which is not followed")


def test_a_damaged_member_is_skipped_and_the_others_are_read(folder: Path, tmp_path: Path) -> None:
    path = zipped(folder, tmp_path / "d.zip", method=zipfile.ZIP_STORED)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("red/000.png").header_offset
    content = bytearray(path.read_bytes())
    content[place + 100] ^= 1
    path.write_bytes(content)
    table = manifest(path).set_index("path")
    assert table.loc["red/000.png", "reason"] == "cannot be read: damaged in its archive"
    assert (table["status"] == "used").sum() == 7


def write_names(path: Path, *names: str) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"x")
        return path
    with tarfile.open(path, "w") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))
    return path


@pytest.mark.parametrize("name", ["/etc/passwd", "a/../../x.png", "../x.png", "C:/x.png"])
@pytest.mark.parametrize("kind", ["d.zip", "d.tar"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, kind: str, name: str) -> None:
    with pytest.raises(DataError, match="leads out of its folder"):
        manifest(write_names(tmp_path / kind, "a/1.png", name))


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> None:
    monkeypatch.setattr(archive_members, "HARMLESS_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "d.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(8 << 20))
    (tmp_path / "d.tgz").write_bytes(gzip.compress(bytes(8 << 20)))
    for name in ("d.zip", "d.tgz"):
        with pytest.raises(DataError, match="decompression bomb"):
            manifest(tmp_path / name)
    assert not list((cache_folder / "archives").glob("*")), "what was unpacked until then is deleted"


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_members, "MOST_MEMBERS", 2)
    for name in ("d.zip", "d.tar"):
        with pytest.raises(DataError, match="more than 2 members"):
            manifest(write_names(tmp_path / name, "a/1", "a/2", "a/3"))


def test_a_password_is_refused(folder: Path, tmp_path: Path) -> None:
    path = zipped(folder, tmp_path / "d.zip")
    content = bytearray(path.read_bytes())
    for place in (6, content.rindex(b"PK\x01\x02") + 8):  # the flags of the first header, and of the last entry of the directory
        content[place] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="has a password"):
        manifest(path)


@pytest.mark.parametrize("name", ["d.zip", "d.tar", "d.tar.gz", "d.tar.xz"])
def test_what_is_no_archive_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b nothing of the kind" * 100)
    with pytest.raises(DataError, match="damaged or incomplete"):
        manifest(tmp_path / name)


def test_an_incomplete_download_is_one_line(folder: Path, tmp_path: Path) -> None:
    whole = gzip.compress(tarred(folder, tmp_path / "w.tar").read_bytes())
    (tmp_path / "d.tgz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged or incomplete"):
        manifest(tmp_path / "d.tgz")


def test_empty_archives_are_one_line(tmp_path: Path) -> None:
    for name in ("d.zip", "d.tar"):
        with pytest.raises(DataError, match="The archive is empty"):
            manifest(write_names(tmp_path / name))


def test_a_url_of_the_web_is_one_line() -> None:
    with pytest.raises(DataError, match="Download it first"):
        sources.settings("https://example.org/flowers.zip")


def test_copies_of_archives_go_when_they_are_unused(folder: Path, tmp_path: Path, cache_folder: Path) -> None:
    (tmp_path / "d.tgz").write_bytes(gzip.compress(tarred(folder, tmp_path / "w.tar").read_bytes()))
    table = manifest(tmp_path / "d.tgz")
    (copy,) = (cache_folder / "archives").glob("*.tar")
    size = copy.stat().st_size
    assert archive_members.prune(1) == 0 and copy.exists()
    os.utime(copy, (0, 0))
    assert archive_members.prune(1) == size and not copy.exists()
    archive_members._opened.cache_clear()
    pd.testing.assert_frame_equal(manifest(tmp_path / "d.tgz"), table)


def test_many_threads_read_one_archive(folder: Path, tmp_path: Path) -> None:
    root = archives.root_of(zipped(folder, tmp_path / "d.zip"))
    files = [f"{label}/{number:03d}.png" for label in ("green", "red") for number in range(4)] * 8
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda file: read_bytes(f"{root}/{file}"), files)) == [(folder / file).read_bytes() for file in files]
