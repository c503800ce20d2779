"""What comes before training and before a check: scan, splits, frozen pass, thumbnails, groups of near copies."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import made_up_image
from tests.end_to_end.common import count_passes
from transfer.data import dataset as manifests
from transfer.errors import DataError
from transfer.features import store
from transfer.features.extraction import extract
from transfer.quality import stored_images
from transfer.system.progress import Clock, Silent
from transfer.workflows.preparation import Preparation
from transfer.workflows.requests import with_source

TINY = {"backbone": "vgg16", "weights": "random", "image_size": 32, "truncate_at": "block1_pool", "precision": "float32"}


def prepared(data: Path, **settings: object) -> Preparation:
    made = Preparation(with_source(data, [TINY, settings]), Silent(), Clock())
    made.scan()
    return made


def test_features_stored_before_anyone_glanced_are_not_computed_again(
    image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prepared(image_folder())
    extractor = made.extractor()
    usable = manifests.used(made.manifest)
    with store.opened(extractor.feature_set) as opened:
        extract(usable, made.root, made.image_spec, extractor.outputs, extractor, 8, opened, Silent())
        passed = count_passes(monkeypatch)
        made.compute(extractor, opened)
        assert passed() == 0
        images = stored_images.read(made.manifest, extractor, opened)
    assert images.thumbnails.shape == (usable["digest"].nunique(), 32, 32, 3)
    assert {name: table.shape for name, table in images.features.items()} == {"block1_pool:avg": (len(images.rows), 64)}


def test_a_first_pass_makes_features_and_glances_of_each_image_once(
    image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = count_passes(monkeypatch)
    made = prepared(image_folder())
    extractor = made.extractor()
    with store.opened(extractor.feature_set) as opened:
        made.compute(extractor, opened)
        made.compute(extractor, opened)
    assert passed() == manifests.used(made.manifest)["digest"].nunique()


def test_near_copies_fall_in_one_split_and_exact_ones_with_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for label, first in (("a", 0), ("b", 100)):
        (data / label).mkdir(parents=True)
        for number in range(8):
            image = made_up_image(first + number, (16, 16)).resize((64, 64))
            image.save(data / label / f"{number}.png")
            for quality in (95, 90, 85):
                image.save(data / label / f"{number}-{quality}.jpg", quality=quality)
    shutil.copy(data / "a" / "0.png", data / "a" / "same.png")
    made = prepared(data, **{"data.group_by": "near-duplicates", "backbone": "lenet", "truncate_at": "top", "weights": "imagenet"})
    made.divide()
    assert any(len(rows["split"].unique()) > 1 for _, rows in by_number(made))  # else there would be nothing to mend
    extractor = made.extractor()
    with store.opened(extractor.feature_set) as opened:
        made.compute(extractor, opened)
        findings = made.check(extractor, opened)
    assert all(len(rows["split"].unique()) == 1 for _, rows in by_number(made))
    assert findings.across.empty
    assert len(findings.near_duplicates) >= 2 * 8 * 3


def by_number(made: Preparation) -> list:  # type: ignore[type-arg]
    """Return the rows of each image with its near copies."""
    names = made.manifest["path"].str.replace("same", "0").str.extract(r"(./\d+)")[0]
    return list(made.manifest.groupby(names))


def test_data_that_cannot_be_divided_is_looked_at_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (40, 40), "red").save(tmp_path / "a" / "1.png")
    made = prepared(tmp_path)
    with pytest.raises(DataError):
        made.divide()
    made.divide(required=False)
    assert "2 classes" in made.undivided
    assert list(made.manifest["split"]) == [""]
