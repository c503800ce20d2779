"""Folders and their manifests: layouts, labels, digests, errors."""

import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import made_up_image
from tests.data.decoding import encoders as e
from transfer.config import DataConfig
from transfer.data import dataset as manifests
from transfer.data.classes import require_classes
from transfer.data.dataset import Dataset
from transfer.data.decoding.examination import examine
from transfer.data.decoding.transcode import transcoded_path
from transfer.data.sources import read
from transfer.errors import DataError
from transfer.runs import read_manifest
from transfer.system.progress import Silent

PNG = e.saved(made_up_image(0), "PNG")


def write(root: Path, *paths: str) -> Path:
    """Write different images at these paths."""
    for number, path in enumerate(paths):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        made_up_image(number).save(root / path, "PNG")
    return root


def scanned(root: Path, **settings: Any) -> Dataset:
    return read(DataConfig(source=str(root), **settings), Silent())


def columns(source: Dataset, *names: str) -> list[tuple[str, ...]]:
    return list(source.table[list(names)].itertuples(index=False, name=None))


def test_class_folders_give_the_labels_however_deep_the_images_lie(tmp_path: Path) -> None:
    source = scanned(write(tmp_path, "cats/1.png", "cats/young/black/2.png", "dogs/1.png"))
    assert columns(source, "path", "label", "split") == [
        ("cats/1.png", "cats", ""),
        ("cats/young/black/2.png", "cats", ""),
        ("dogs/1.png", "dogs", ""),
    ]
    assert not source.ready_made


@pytest.mark.parametrize(
    ("folder", "split"),
    [("val", "validation"), ("valid", "validation"), ("validation", "validation"), ("test", "test"), ("testing", "test"), ("Test", "test")],
)
@pytest.mark.parametrize("train", ["train", "training", "TRAIN"])
def test_split_folders_and_their_aliases_are_known(tmp_path: Path, train: str, folder: str, split: str) -> None:
    source = scanned(write(tmp_path, f"{train}/cats/1.png", f"{train}/dogs/a/1.png", f"{folder}/cats/1.png"))
    assert source.ready_made
    assert set(columns(source, "label", "split")) == {("cats", "train"), ("dogs", "train"), ("cats", split)}


@pytest.mark.parametrize(
    "paths",
    [("train/1.png", "cats/1.png"), ("train/steam/1.png", "cats/1.png"), ("train/steam/1.png", "train/old/1.png", "cats/1.png")],
    ids=["beside another class", "with a sub-folder", "with sub-folders"],
)
def test_a_class_may_be_called_like_a_split(tmp_path: Path, paths: tuple[str, ...]) -> None:
    source = scanned(write(tmp_path, *paths))
    assert not source.ready_made
    assert {label for (label,) in columns(source, "label")} == {path.split("/")[0] for path in paths}


@pytest.mark.parametrize(
    "paths", [("train/1.png", "test/1.png"), ("val/a/1.png", "test/a/1.png")], ids=["both hold images", "no training folder"]
)
def test_folders_called_like_splits_are_classes_only_if_that_is_said(tmp_path: Path, paths: tuple[str, ...]) -> None:
    write(tmp_path, *paths)
    with pytest.raises(DataError, match=r"are called like splits.*--set data\.split_folders=off"):
        scanned(tmp_path)
    source = scanned(tmp_path, split_folders="off")
    assert not source.ready_made
    assert {label for (label,) in columns(source, "label")} == {path.split("/")[0] for path in paths}


def test_a_test_folder_of_unlabelled_images_is_no_class(tmp_path: Path) -> None:
    source = scanned(write(tmp_path, "train/cats/1.png", "train/dogs/1.png", "test/1.png", "test/2.png"))
    assert source.ready_made
    assert manifests.class_names(source.table) == ["cats", "dogs"]
    assert list(source.table.loc[source.table["path"].str.startswith("test/"), "reason"]) == ["not in a class folder"] * 2


def test_files_beside_the_class_folders_are_skipped(tmp_path: Path) -> None:
    source = scanned(write(tmp_path, "cats/1.png", "dogs/1.png", "stray.png"))
    assert columns(source, "path", "label", "reason")[-1] == ("stray.png", "", "not in a class folder")


@pytest.mark.parametrize("other", [[], ["list.csv"], ["docs/readme.txt"], ["list.csv", "__MACOSX/._1.png", ".x/1.png"]])
def test_a_folder_of_images_only_has_no_classes_and_its_images_are_readable(tmp_path: Path, other: list[str]) -> None:
    for path in other:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("text")
    files = 2 + ("list.csv" in other)
    expected = f"DATA/<class>/<image>: one sub-folder .* can be read .2 of the first {files} files.. Received {files} files in '{tmp_path}'"
    with pytest.raises(DataError, match=expected):
        scanned(write(tmp_path, "1.png", "2"))


def test_a_folder_of_text_only_has_no_images(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("text")
    with pytest.raises(DataError, match=r"No readable image was found. Received 1 files: 1 not in a class folder"):
        require_classes(scanned(tmp_path).table)


def test_an_empty_class_folder_is_a_class_without_images(tmp_path: Path) -> None:
    write(tmp_path, *(f"{label}/{number}.png" for label in ("cats", "dogs") for number in range(3)))
    (tmp_path / "birds").mkdir()
    source = scanned(tmp_path)
    assert columns(source, "path", "label", "reason")[0] == ("birds/", "birds", "folder: empty")
    with pytest.raises(
        DataError, match=r"Too few in: birds. Received birds 0, cats 3, dogs 3.*left out with --set 'data.exclude=\[birds\]'"
    ):
        require_classes(source.table)
    require_classes(scanned(tmp_path, exclude=["birds"]).table)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_bytes(PNG), "not a file"),
        (lambda path: path.mkdir(), "is empty"),
        (lambda path: path.symlink_to("nowhere"), "does not exist"),
    ],
    ids=["missing", "file", "empty", "broken link"],
)
def test_what_is_no_data_folder_is_refused_with_what_was_received(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:  # fmt: skip
    make(tmp_path / "data")
    with pytest.raises(DataError, match=message) as error:
        scanned(tmp_path / "data")
    assert repr(str(tmp_path / "data")) in str(error.value)


def test_a_name_too_long_for_the_disk_is_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        scanned(tmp_path / ("a" * 300))


def _locked(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make a folder unreadable; not by its permissions, which bind no administrator."""
    really = os.listdir, os.scandir

    def refuse(path: object, otherwise: Callable[[object], object]) -> object:
        if Path(os.fsdecode(path)) == folder:  # type: ignore[arg-type]
            raise PermissionError(13, "Permission denied")
        return otherwise(path)

    monkeypatch.setattr(os, "listdir", lambda path: refuse(path, really[0]))
    monkeypatch.setattr(os, "scandir", lambda path: refuse(path, really[1]))


def test_a_data_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _locked(monkeypatch, write(tmp_path, "cats/1.png"))
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        scanned(tmp_path)


@pytest.mark.parametrize("locked", ["cats", "cats/more", "train"])
def test_folders_without_permission_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: str) -> None:
    _locked(monkeypatch, write(tmp_path, f"{locked}/1.png", "test/1.png") / locked)
    source = scanned(tmp_path)
    assert (f"{locked}/", "folder: cannot be read, Permission denied") in columns(source, "path", "reason")


def test_a_class_that_cannot_be_read_is_still_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, *(f"{label}/{number}.png" for label in ("birds", "cats", "dogs") for number in range(3)))
    _locked(monkeypatch, tmp_path / "birds")
    with pytest.raises(DataError, match="Too few in: birds"):
        require_classes(scanned(tmp_path).table)


def test_a_link_into_another_class_takes_nothing_from_it(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "more").symlink_to(tmp_path / "b")
    source = scanned(tmp_path)
    assert set(columns(source, "path", "label", "reason")) == {
        ("a/1.png", "a", ""),
        ("a/more/", "", "folder: listed already, through another link"),
        ("b/2.png", "b", ""),
    }


def test_class_folders_may_be_links(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "x/1.png", "y/2.png")
    (tmp_path / "data").mkdir()
    for label, target in (("cats", "x"), ("dogs", "y")):
        (tmp_path / "data" / label).symlink_to(tmp_path / "elsewhere" / target)
    assert columns(scanned(tmp_path / "data"), "path", "label") == [("cats/1.png", "cats"), ("dogs/2.png", "dogs")]


def test_digest_size_format_and_sides_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "wide.jpg"
    path.parent.mkdir()
    path.write_bytes(data := e.saved(made_up_image(1, (30, 20)), "PNG"))
    row = scanned(tmp_path).table.iloc[0]
    assert row["digest"] == hashlib.sha256(data).hexdigest()
    assert (row["size"], row["format"], row["width"], row["height"]) == (len(data), "PNG", 30, 20)
    assert row["ctime_ns"] == path.stat().st_ctime_ns


def test_the_limit_of_megapixels_is_the_largest_that_is_read() -> None:
    assert examine(PNG, "0", 0.0016).reason == ""
    assert examine(PNG, "0", 0.0015).reason.startswith("too large: 0 megapixels, the limit is 0.0015 (data.max_megapixels)")


def test_many_threads_leave_pillows_limit_as_it_is_and_do_not_meet_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # The limit belongs to the whole process: one reader must not put back what another one has taken away.
    large = e.gif_on_canvas(made_up_image(0), (20000, 15000), 0, 0)
    both, really, limit = threading.Barrier(2), Image.open, Image.MAX_IMAGE_PIXELS

    def slowly(file: io.BytesIO, formats: tuple[str, ...]) -> Image.Image:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # two readers would meet here, if two could be here
        return really(file, formats=formats)

    monkeypatch.setattr(Image, "open", slowly)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: examine(large, "0", 400.0).reason, range(2))) == [""] * 2
    assert both.broken
    assert limit == Image.MAX_IMAGE_PIXELS


def test_a_transcoded_image_is_kept_in_the_cache_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("1.tif", "copy.tif"):
        (tmp_path / "a" / name).write_bytes(e.saved(made_up_image(1), "TIFF"))
    manifest = scanned(tmp_path).table
    assert list(manifest["status"]) == ["transcoded"] * 2
    cached = transcoded_path(manifest.loc[0, "digest"])
    assert [path for path in cached.parents[1].rglob("*") if path.is_file()] == [cached]


NAMES = st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name).map(os.fsdecode)
REASONS = st.sampled_from(["", 'damaged: "x", y'])


@given(st.lists(st.tuples(NAMES, REASONS, st.integers(0, 2**40)), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_a_manifest_survives_writing_and_reading(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int]]) -> None:
    path = tmp_path_factory.mktemp("run") / "manifest.csv"
    made = [(name, name, "", name, "used", reason, "", "", "0e1", size, "PNG", 1, 1, 0) for name, reason, size in rows]
    manifest = pd.DataFrame(made, columns=manifests.COLUMNS, dtype=object)
    manifests.write(manifest, path)
    pd.testing.assert_frame_equal(read_manifest(path), manifest[manifests.SAVED], check_dtype=False, check_column_type=False)


@pytest.mark.parametrize("name", ["NA", "null", "007", "1e5", "True", " x ", "#1", "a\rb", "a\r\nb", "a\nb", "\ufeffx", "\udce9"])
def test_names_that_look_like_something_else_stay_text(tmp_path: Path, name: str) -> None:
    manifest = pd.DataFrame([(name, name, "", "", "used", "", "", "", "", 1, "", 1, 1, 0)], columns=manifests.COLUMNS, dtype=object)
    manifests.write(manifest, tmp_path / "manifest.csv")
    assert list(read_manifest(tmp_path / "manifest.csv").iloc[0, :2]) == [name, name]
