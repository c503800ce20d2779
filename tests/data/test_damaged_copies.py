"""Copies of images in the cache that a disk has damaged: they are made again, or refused; no other image is ever decoded."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import made_up_image
from tests.damage import damaged
from tests.data.decoding import encoders as e
from transfer.data import pipeline
from transfer.data.decoding.decode import decode
from transfer.data.decoding.transcode import transcode, transcoded_path
from transfer.data.scan import Found, examined
from transfer.data.sources.tfds import cache
from transfer.errors import DataError
from transfer.system.home import cache_home
from transfer.system.progress import Silent

TIFF = e.saved(made_up_image(3, (20, 17)), "TIFF")
PNGS = [e.saved(made_up_image(number, (12, 12)), "PNG") for number in range(3)]


def pixels(file: bytes) -> np.ndarray:
    result: np.ndarray = decode(Path(os.fsdecode(file)).read_bytes(), 16).numpy()
    return result


def transcoded(root: Path) -> pd.DataFrame:
    root.mkdir(exist_ok=True)
    (root / "a.tif").write_bytes(TIFF)
    (root / "b.png").write_bytes(PNGS[0])
    return examined(root, [Found("a.tif", "a", ""), Found("b.png", "a", "")], 100.0, Silent())


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_png_of_another_format_is_made_again(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.getbasetemp() / "transcoded"
    rows = transcoded(root)
    tif, png = pipeline.files_of(root, rows)
    expected, content = pixels(tif), Path(os.fsdecode(tif)).read_bytes()
    Path(os.fsdecode(tif)).write_bytes(damaged(data, content))
    assert pipeline.files_of(root, rows) == [tif, png] == [pipeline.file_of(root, row) for _, row in rows.iterrows()]
    np.testing.assert_array_equal(pixels(tif), expected)
    assert Path(os.fsdecode(tif)).read_bytes() == content


def test_a_damaged_png_whose_original_is_gone_is_not_decoded(tmp_path: Path) -> None:
    rows = transcoded(tmp_path / "data")
    png = transcoded_path(str(rows["digest"][0]))
    png.write_bytes(png.read_bytes()[:-9] + bytes(9))
    (tmp_path / "data" / "a.tif").write_bytes(b"another")
    assert pipeline.files_of(tmp_path / "data", rows)[0] == os.fsencode(png)
    assert not png.exists()


def test_a_png_of_an_earlier_version_is_made_again(tmp_path: Path) -> None:
    digest = hashlib.sha256(TIFF).hexdigest()
    png = transcode(TIFF, digest)
    content = png.read_bytes()
    png.write_bytes(content[:-8])
    assert transcode(TIFF, digest).read_bytes() == content


def test_the_checksum_is_not_seen_by_decoders() -> None:
    png = transcode(TIFF, hashlib.sha256(TIFF).hexdigest())
    (plain := png.with_name("plain.png")).write_bytes(png.read_bytes()[:-8])
    np.testing.assert_array_equal(pixels(os.fsencode(png)), pixels(os.fsencode(plain)))


def filled() -> tuple[Path, pd.DataFrame]:
    """Fill the cache of a TFDS data set; return its folder and the manifest."""
    folder = cache_home() / "tfds" / "set"
    shutil.rmtree(folder, ignore_errors=True)
    found = cache.fill(folder, "print", {"train": "train"}, [("train", png, "a") for png in PNGS])
    return folder, examined(folder, found, 100.0, Silent())


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2), st.data())
def test_a_damaged_image_of_a_tfds_set_is_refused_and_read_again_next_time(number: int, data: st.DataObject) -> None:
    folder, rows = filled()
    assert list(cache.damaged(folder)) == []
    file = folder / rows["path"][number]
    file.write_bytes(spoiled := damaged(data, PNGS[number]))
    if spoiled == PNGS[number]:
        assert len(pipeline.files_of(folder, rows)) == 3
        return
    assert list(cache.damaged(folder)) == [file]
    with pytest.raises(DataError, match=r"damaged in the cache, and were deleted: 1 of 3\. Run the same command again") as caught:
        pipeline.files_of(folder, rows)
    assert str(file) in str(caught.value)
    assert cache.load(folder, "print") is None
    cache.fill(folder, "print", {"train": "train"}, [("train", png, "a") for png in PNGS])
    assert file.read_bytes() == PNGS[number]


def test_an_image_of_a_tfds_set_that_was_damaged_before_it_is_scanned_again_is_deleted() -> None:
    folder, rows = filled()
    assert cache.delete_damaged(folder, zip(rows["path"], rows["digest"], strict=True)) == 0
    file = folder / rows["path"][1]
    file.write_bytes(PNGS[0])  # any other image
    seen = examined(folder, [Found(path, "a", "") for path in rows["path"]], 100.0, Silent())
    assert cache.delete_damaged(folder, zip(seen["path"], seen["digest"], strict=True)) == 1
    assert not file.exists() and cache.load(folder, "print") is None


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_damaged_index_of_a_tfds_set_is_missing_or_says_the_same(data: st.DataObject) -> None:
    folder, _ = filled()
    expected = cache.load(folder, "print")
    assert expected is not None
    index = folder / "index.json"
    index.write_bytes(damaged(data, index.read_bytes()))
    found = cache.load(folder, "print")
    assert found in (None, expected)
    assert list(cache.damaged(folder)) == ([index] if found is None else [])


def test_images_of_the_user_are_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNGS[0])
    rows = examined(tmp_path, [Found("a.png", "a", "")], 100.0, Silent())
    (tmp_path / "a.png").write_bytes(PNGS[1])
    assert pipeline.files_of(tmp_path, rows) == [os.fsencode(tmp_path / "a.png")]
    assert cache.delete_damaged(tmp_path, [("a.png", "0" * 64)]) == 0
    assert (tmp_path / "a.png").exists()
