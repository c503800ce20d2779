"""Thumbnails: decoded by the one decoder, small, bounded in number, none where an image cannot be decoded."""

import base64
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.conftest import made_up_image
from transfer.config import DataConfig
from transfer.data import sources
from transfer.reports.thumbnails import thumbnails
from transfer.system.progress import Silent


def manifest(root: Path) -> pd.DataFrame:
    return sources.read(DataConfig(source=str(root)), Silent()).table


def opened(uri: str) -> np.ndarray:
    head, _, content = uri.partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content, validate=True))).convert("RGB")).astype(int)


def test_a_thumbnail_shows_the_whole_image_on_white(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (400, 100), (200, 30, 30)).save(tmp_path / "a" / "wide.png")
    pixels = opened(thumbnails(tmp_path, manifest(tmp_path), size=64)["a/wide.png"])
    assert pixels.shape == (64, 64, 3)
    assert (pixels[:20] > 245).all()
    assert np.abs(pixels[28:36] - (200, 30, 30)).max() <= 3


def test_a_rotated_photograph_stands_upright(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (96, 96), "white")
    image.paste((0, 0, 0), (0, 0, 20, 96))  # the left side, which becomes the top
    image.save(tmp_path / "a" / "phone.jpg", exif=exif, quality=95)
    pixels = opened(thumbnails(tmp_path, manifest(tmp_path))["a/phone.jpg"])
    assert pixels[:12].mean() < 20
    assert pixels[40:].mean() > 240


def test_of_photographs_the_smaller_encoding_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    made_up_image(1, (96, 96)).save(tmp_path / "a" / "noise.png")
    Image.new("RGB", (96, 96), (9, 99, 199)).save(tmp_path / "a" / "flat.png")
    made = thumbnails(tmp_path, manifest(tmp_path))
    assert made["a/noise.png"].startswith("data:image/jpeg")
    assert made["a/flat.png"].startswith("data:image/png")
    assert len(made["a/flat.png"]) < 1000


def test_there_are_at_most_so_many_the_first_of_the_rows(image_folder: Callable[..., Path]) -> None:
    root = image_folder(count=20)
    rows = manifest(root)
    made = thumbnails(root, rows, size=16, most=34)
    assert list(made) == rows["path"].tolist()[:34]


def test_images_that_cannot_be_decoded_have_none(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    made_up_image(1).save(folder / "whole.png")
    (folder / "text.png").write_text("no image")
    (folder / "broken.png").write_bytes((folder / "whole.png").read_bytes()[:60])
    (folder / "gone.png").write_bytes((folder / "whole.png").read_bytes())
    rows = manifest(tmp_path)
    (folder / "gone.png").unlink()
    assert list(thumbnails(tmp_path, rows)) == [os.fsdecode(b"caf\xe9/whole.png")]


def test_the_setting_for_training_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (80, 20), "black").save(tmp_path / "a" / "wide.png")
    config = DataConfig(resize="crop")
    pixels = opened(thumbnails(tmp_path, manifest(tmp_path), 40, data=config)["a/wide.png"])
    assert (pixels[:10] == 255).all()


def test_no_rows_no_thumbnails(image_folder: Callable[..., Path]) -> None:
    root = image_folder()
    assert thumbnails(root, manifest(root).head(0)) == {}
