"""The value range of a data set: chosen once, from training images, and put to use for all."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.decoding import encoders as e
from transfer.config import Config, build
from transfer.data import dataset as manifests
from transfer.data import pipeline, sources
from transfer.data.dataset import Dataset
from transfer.data.decoding.transcode import transcoded_path
from transfer.data.splits import split
from transfer.data.value_range import choose_value_range
from transfer.errors import ConfigError
from transfer.runs import read_manifest
from transfer.system.progress import Silent

RNG = np.random.default_rng(0)


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def of_12_bits(low: float = 0, high: float = 4095, dtype: Any = np.uint16) -> np.ndarray:
    return RNG.uniform(low, high, (20, 20)).astype(dtype)


def png(samples: np.ndarray) -> bytes:
    return e.png(samples.astype(int)[..., np.newaxis], 16, 0)


def write(root: Path, count: int = 10, **makers: Any) -> Path:
    """Write `count` images for each class and kind; suffix -> function that makes the bytes."""
    for label in ("a", "b"):
        for suffix, make in makers.items():
            for number in range(count):
                (root / label).mkdir(parents=True, exist_ok=True)
                (root / label / f"{number}_{suffix}.{suffix}").write_bytes(make())
    return root


def chosen(root: Path, **settings: Any) -> tuple[Dataset, Config, list[str]]:
    config = build([{"data.source": str(root), **settings}])
    told = Told()
    dataset = split(sources.read(config.data, Silent()), config.data, config.seed)
    return *choose_value_range(dataset, config, told), told.lines


def test_12_bits_in_16_get_their_own_range_in_every_format(tmp_path: Path) -> None:
    root = write(tmp_path / "data", png=lambda: png(of_12_bits()), tif=lambda: e.tiff(of_12_bits()))
    dataset, config, told = chosen(root)
    assert config.data.value_range == (0.0, 4096.0)
    assert told == [
        "40 images of more than 8 bits per sample use 6.2 % of uint16. Their values 0 to 4096 become 0 to 255 (data.value_range)."
    ]
    assert set(dataset.used["value_range"]) == {"0 to 4096"}
    spec = pipeline.ImageSpec(20, config.data)
    for file in pipeline.files_of(dataset.root, dataset.used):
        image = pipeline.decoder_of(spec)(Path(file.decode()).read_bytes()).numpy()
        assert image.max() > 240 and image.min() < 15


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: e.tiff(of_12_bits(-1000, 2000, np.int16)), (-1024.0, 2048.0)),
        (lambda: e.tiff(of_12_bits(0, 255, np.float32)), (0.0, 256.0)),
        (lambda: e.tiff(of_12_bits(-0.5, 0.5, np.float64)), (-0.5, 0.5)),
        (lambda: e.tiff(of_12_bits(0, 1, np.float32)), "dtype"),
        (lambda: png(of_12_bits(0, 65535)), "dtype"),
        (lambda: e.saved(Image.fromarray(of_12_bits(0, 255, np.uint8)), "PNG"), "dtype"),
    ],
    ids=["Hounsfield", "floats to 255", "signed floats", "floats to 1", "16 bits", "8 bits"],
)
def test_the_range_is_that_of_the_images(make: Any, expected: object, tmp_path: Path) -> None:
    _, config, told = chosen(write(tmp_path / "data", tif=make))
    assert config.data.value_range == expected
    assert bool(told) == (expected != "dtype")


def test_a_given_range_is_used_and_nothing_is_looked_at(tmp_path: Path) -> None:
    root = write(tmp_path / "data", tif=lambda: e.tiff(of_12_bits()))
    dataset, config, told = chosen(root, **{"data.value_range": [100, 300]})
    assert config.data.value_range == (100.0, 300.0) and told == []
    for digest in dataset.used["digest"]:
        assert transcoded_path(digest, (100.0, 300.0)).exists()
    dataset, config, told = chosen(root, **{"data.value_range": "dtype"})
    assert config.data.value_range == "dtype" and told == []
    assert set(dataset.used["value_range"]) == {"dtype"}


def test_images_of_8_bits_beside_them_stay_as_they_are(tmp_path: Path) -> None:
    grey = e.saved(Image.fromarray(np.full((20, 20), 77, np.uint8)), "PNG")
    root = write(tmp_path / "data", png=lambda: png(of_12_bits()))
    (root / "a" / "grey.png").write_bytes(grey)
    dataset, config, _ = chosen(root)
    (row,) = dataset.used[dataset.used["path"] == "a/grey.png"]["value_range"]
    assert row == "" and config.data.value_range == (0.0, 4096.0)
    assert (pipeline.decoder_of(pipeline.ImageSpec(20, config.data))(grey).numpy() == 77).all()


def test_only_training_images_are_looked_at(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for name, high in (("train", 4095), ("val", 60000), ("test", 60000)):
        write(root / name, 5, png=lambda high=high: png(of_12_bits(0, high)))
    _, config, _ = chosen(root)
    assert config.data.value_range == (0.0, 4096.0)


def test_more_images_of_the_same_kind_change_nothing(tmp_path: Path) -> None:
    root = write(tmp_path / "data", png=lambda: png(of_12_bits(1050, 1500)))
    before = chosen(root)[1].data.value_range
    for number in range(5):
        (root / "a" / f"more{number}.png").write_bytes(png(of_12_bits(1050, 1500)))
    assert chosen(root)[1].data.value_range == before != "dtype"


def test_an_image_that_has_no_reader_for_the_range_is_skipped_with_the_reason(tmp_path: Path) -> None:
    from tests.data.decoding.test_deep import lzw_rgb

    root = write(tmp_path / "data", tif=lambda: e.tiff(of_12_bits()))
    config = build([{"data.source": str(root)}])
    dataset = split(sources.read(config.data, Silent()), config.data, config.seed)
    path = str(dataset.used["path"].iloc[0])
    (root / path).write_bytes(lzw_rgb())
    changed, _ = choose_value_range(dataset, config, Silent())
    assert list(changed.table[changed.table["path"] == path]["reason"]) == ["changed while it was read"]
    table = dataset.table.copy()
    table.loc[table["path"] == path, "digest"] = hashlib.sha256(lzw_rgb()).hexdigest()
    dataset, _ = choose_value_range(dataclasses.replace(dataset, table=table), config, Silent())
    (reason,) = dataset.table[dataset.table["path"] == path]["reason"]
    assert reason.startswith("unsupported format: TIFF of 3 x uint16 samples, compressed by LZW")
    assert (dataset.table["reason"] == "").sum() == 19


def test_the_range_is_read_back_from_the_manifest_and_the_configuration(tmp_path: Path) -> None:
    root = write(tmp_path / "data", tif=lambda: e.tiff(of_12_bits(0.1, 0.3, np.float32)))
    dataset, config, _ = chosen(root)
    manifests.write(dataset.table, tmp_path / "manifest.csv")
    again = manifests.used(read_manifest(tmp_path / "manifest.csv"))
    assert pipeline.files_of(root, again) == pipeline.files_of(root, dataset.used)
    transcoded_path(str(again["digest"].iloc[0]), config.data.value_range).unlink()  # type: ignore[arg-type]
    assert pipeline.why_changed(root, again.iloc[0]) == ""
    assert transcoded_path(str(again["digest"].iloc[0]), config.data.value_range).exists()  # type: ignore[arg-type]
    import yaml

    assert build([yaml.safe_load(config.to_yaml())]) == config


@pytest.mark.parametrize("value", ["full", 4095, [0], [5, 5], [9, 1], ["a", "b"], [0, float("inf")], [0, 1, 2], None])
def test_anything_else_is_refused_with_what_was_expected(value: object) -> None:
    with pytest.raises(ConfigError, match=r"data.value_range.*auto, dtype, or two numbers.*\[0, 4095\].*Received data.value_range="):
        build([{"data.value_range": value}])
