"""What is remembered between scans is trusted only while nothing changed."""

# ruff: noqa: F811
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import made_up_image
from tests.data.decoding import encoders as e
from tests.data.remembering import ALL, JPEG, PNG, TIFF, Opened, folder, later, opened, scan  # noqa: F401
from transfer.data import reading, scan_memory
from transfer.data.decoding.transcode import transcoded_path
from transfer.data.scan_memory import RACY_NS, memory_path

CUT = e.cut(e.saved(made_up_image(3, (100, 100)), "JPEG"), 0.5)


@pytest.mark.parametrize("decode", [False, True])
def test_an_unchanged_folder_is_not_read_again_and_gives_the_same_table(folder: Path, opened: Opened, decode: bool) -> None:
    first = scan(folder, decode)
    assert opened.since() == ALL
    pd.testing.assert_frame_equal(scan(folder, decode), first)
    assert opened.since() == []


def _write(path: Path) -> None:
    path.write_bytes(PNG[:-1] + b"x")  # of the same size


def _touch(path: Path) -> None:
    os.utime(path, ns=(5, 5))


def _rewrite_with_its_old_time(path: Path) -> None:
    before = path.stat()
    _write(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace_by_a_copy(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    os.replace(copy, path)


@pytest.mark.parametrize("change", [_write, _touch, _rewrite_with_its_old_time, _replace_by_a_copy])
def test_a_file_that_changed_in_any_way_is_read_again(folder: Path, opened: Opened, change: Callable[[Path], None]) -> None:
    scan(folder)
    opened.since()
    change(folder / "b.png")
    table = scan(folder)
    assert opened.since() == ["b.png"]
    assert table["digest"][1] == hashlib.sha256((folder / "b.png").read_bytes()).hexdigest()


def test_files_changed_shortly_before_the_scan_are_read_again(folder: Path, opened: Opened, later: Callable[[int], None]) -> None:
    later(0)
    scan(folder)
    later(RACY_NS + 1_000_000_000)
    opened.since()
    scan(folder)
    assert opened.since() == ALL
    scan(folder)
    assert opened.since() == []


def test_new_files_alone_are_read_and_vanished_ones_are_forgotten(folder: Path, opened: Opened) -> None:
    scan(folder)
    (folder / "e.png").write_bytes(PNG)
    (folder / "a.jpg").unlink()
    opened.since()
    assert list(scan(folder)["path"]) == ["b.png", "c.tif", "d.txt", "e.png"]
    assert opened.since() == ["e.png"]
    with np.load(memory_path(folder)) as stored:
        assert stored["paths"].tobytes() == b"b.png\0c.tif\0d.txt\0e.png\0"


def test_a_source_that_lists_some_files_does_not_make_the_others_forgotten(folder: Path, opened: Opened) -> None:
    scan(folder, names=["a.jpg", "b.png"])
    scan(folder, names=["c.tif"])
    opened.since()
    table = scan(folder, names=["c.tif", "b.png", "a.jpg"])
    assert opened.since() == []
    assert list(table["digest"]) == [hashlib.sha256(data).hexdigest() for data in (TIFF, PNG, JPEG)]
    assert list(table["format"]) == ["TIFF", "PNG", "JPEG"]


def test_files_with_the_same_verdict_remembered_by_two_scans_come_back(folder: Path, opened: Opened) -> None:
    (folder / "e.jpg").write_bytes(JPEG)
    scan(folder, names=["a.jpg"])
    scan(folder, names=["e.jpg"])
    opened.since()
    assert list(scan(folder, names=["a.jpg", "b.png", "e.jpg"])["format"]) == ["JPEG", "PNG", "JPEG"]
    assert opened.since() == ["b.png"]


def test_a_scan_without_decode_test_does_not_count_as_one_with_it(folder: Path, opened: Opened) -> None:
    (folder / "a.jpg").write_bytes(CUT)
    assert scan(folder)["reason"][0] == ""
    opened.since()
    assert scan(folder, decode=True)["reason"][0] == "damaged: not a whole JPEG (truncated or broken)"
    assert opened.since() == ["a.jpg", "b.png"]  # neither the text nor what Pillow has decoded
    assert scan(folder)["reason"][0].startswith("damaged")
    assert opened.since() == []


def test_another_limit_judges_again(folder: Path, opened: Opened) -> None:
    scan(folder)
    opened.since()
    assert scan(folder, limit=0.001)["reason"][0].startswith("too large")
    assert opened.since() == ALL


@pytest.mark.parametrize("name", ["DECODER_VERSION", "FORMAT"])
def test_another_version_judges_again(folder: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    scan(folder)
    opened.since()
    monkeypatch.setattr(scan_memory, name, 99)
    scan(folder)
    assert opened.since() == ALL


def test_another_version_of_pillow_judges_again(folder: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    scan(folder)
    opened.since()
    monkeypatch.setattr(scan_memory, "version", lambda name: "99.0")
    scan(folder)
    assert opened.since() == ALL


def test_a_transcoded_image_whose_png_was_deleted_is_made_again(folder: Path, opened: Opened) -> None:
    png = transcoded_path(scan(folder)["digest"][2])
    png.unlink()
    opened.since()
    assert scan(folder)["status"][2] == "transcoded"
    assert opened.since() == ["c.tif"]
    assert png.exists()


def test_a_transcoded_image_that_vanished_with_its_png_has_no_digest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transcoded_path(scan(folder)["digest"][2]).unlink()

    def gone(file: str, max_megapixels: float) -> object:
        raise FileNotFoundError(2, "No such file")

    monkeypatch.setattr(reading, "content", gone)
    row = scan(folder).iloc[2]
    assert (row["status"], row["reason"], row["digest"]) == ("skipped", "vanished while the folder was read", "")


def test_a_moved_folder_is_read_again_and_another_one_in_its_place_as_well(folder: Path, opened: Opened) -> None:
    scan(folder)
    moved = folder.rename(folder.with_name("moved"))
    shutil.copytree(moved, folder)
    opened.since()
    for root in (moved, folder):
        scan(root)
        assert opened.since() == ALL


def test_a_file_skipped_for_lack_of_an_extra_is_read_once_it_is_installed(
    folder: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "e.dcm").write_bytes(bytes(128) + b"DICM" + bytes(40))
    installed: dict[str, str] = {}
    really = scan_memory.version

    def version(name: str) -> str:
        if name == "pydicom" and name not in installed:
            raise scan_memory.PackageNotFoundError
        return installed.get(name) or really(name)

    monkeypatch.setattr(scan_memory, "version", version)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    reason = "unsupported format: a DICOM file; to read it, pip install 'keras-transfer[dicom]'"
    assert [scan(folder)["reason"].iloc[-1] for _ in range(2)] == [reason] * 2
    assert opened.since() == [*ALL, "e.dcm"]
    installed["pydicom"] = "3.0.2"
    scan(folder)
    assert opened.since() == [*ALL, "e.dcm"]
