"""Batches of objects are those of local files, bit for bit."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.buckets import Bucket
from transfer.config import AugmentConfig, DataConfig
from transfer.data import pipeline, sources
from transfer.data.pipeline import ImageSpec
from transfer.errors import DataError
from transfer.system.progress import Silent


def pixels(batches: object) -> tuple[list[int], np.ndarray]:
    found = [(positions.numpy(), images.numpy()) for positions, images in batches]  # type: ignore[attr-defined]
    return np.concatenate([one for one, _ in found]).tolist(), np.concatenate([one for _, one in found])


@pytest.fixture
def roots(bucket: Bucket, image_folder: Callable[..., Path]) -> tuple[str, str]:
    """The same images in a local folder and in a bucket; the first one is transcoded."""
    root = image_folder(count=9)
    Image.effect_noise((50, 60), 90).save(root / "green" / "000.tif", compression="tiff_lzw")
    return str(root), bucket.put_folder(root, "data")


@pytest.mark.parametrize("views", [False, True])
def test_the_same_pixels(roots: tuple[str, str], monkeypatch: pytest.MonkeyPatch, views: bool) -> None:
    monkeypatch.setattr(pipeline, "_FEW", 0)  # local files by tf.data
    found = []
    for root in roots:
        dataset = sources.read(DataConfig(source=root), Silent())
        files = pipeline.files_of(dataset.root, dataset.used)
        assert len(files) == 19 and (dataset.used["status"] == "transcoded").sum() == 1
        seeds = [(number, 7) for number in range(19)] if views else None
        found.append(pixels(pipeline.batches(files, ImageSpec(32), 4, seeds, AugmentConfig(views=1) if views else None)))
    assert found[0][0] == found[1][0] == list(range(19))
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_what_cannot_be_read_or_decoded_is_left_out(bucket: Bucket, roots: tuple[str, str]) -> None:
    dataset = sources.read(DataConfig(source=roots[1], cache_gb=0), Silent())
    files, spec = pipeline.files_of(dataset.root, dataset.used), ImageSpec(32, DataConfig(cache_gb=0))
    bucket.delete("data/green/001.png")
    bucket.put("data/green/002.png", b"another")
    broken = b"\x89PNG\r\n\x1a\nbroken"
    bucket.put("data/green/003.png", broken)
    files[4] = files[4].partition(b"\0")[0] + b"\0" + hashlib.sha256(broken).hexdigest().encode()
    positions, _ = pixels(pipeline.batches(files, spec, 4))
    assert sorted(set(range(19)) - set(positions)) == [2, 3, 4]
    assert pipeline.why_undecodable(files[2], spec) == "vanished while the folder was read"
    assert pipeline.why_undecodable(files[3], spec) == "changed while it was read"
    assert pipeline.why_undecodable(files[4], spec).startswith("damaged")


def test_an_error_of_the_storage_is_raised(bucket: Bucket, roots: tuple[str, str]) -> None:
    dataset = sources.read(DataConfig(source=roots[1], cache_gb=0), Silent())
    files = pipeline.files_of(dataset.root, dataset.used)
    bucket.server.refuse = lambda method, path: "ExpiredToken" if path.endswith("005.png") else ""
    with pytest.raises(DataError, match="credentials have expired"):
        pixels(pipeline.batches(files, ImageSpec(32, DataConfig(cache_gb=0)), 2))
