"""The stages between a scan and a training: features and thumbnails of each image once, checks, groups of near duplicates."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import made_up_image
from tests.end_to_end.common import count_passes
from transfer.config import Config
from transfer.data import sources
from transfer.data.dataset import Dataset
from transfer.data.splits import split
from transfer.errors import DataError
from transfer.features.extraction import compute_missing, extract
from transfer.features.extractor import load_extractor
from transfer.features.store import open_store
from transfer.quality import stored_images
from transfer.quality.checks import check
from transfer.quality.findings import Findings
from transfer.system.progress import Silent
from transfer.workflows.settings import with_source

TINY = {
    "backbone": "vgg16",
    "weights": "random",
    "image_size": 32,
    "truncate_at": "block1_pool",
    "precision": "float32",
    "compute": "tensorflow",
}


def scanned(data: Path, **settings: Any) -> tuple[Config, Dataset]:
    config = with_source(data, [TINY, settings])
    return config, sources.read(config.data, Silent())


def test_features_stored_without_thumbnails_are_not_computed_again(
    image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, dataset = scanned(image_folder())
    extractor = load_extractor(config, dataset, Silent())
    with open_store(extractor.feature_set) as store:
        compute_missing(dataset.used, dataset.root, extractor.image_spec, extractor.outputs, extractor, 8, store, Silent())
        passed = count_passes(monkeypatch)
        assert extract(dataset, extractor, store, config, Silent()) == dataset
        assert passed() == 0
        stored = stored_images.read(dataset.table, extractor, store, 1000)
    assert stored.thumbnails.shape == (dataset.used["digest"].nunique(), 32, 32, 3)
    assert {name: table.shape for name, table in stored.features.items()} == {"block1_pool:avg": (len(stored.rows), 64)}


def test_features_and_thumbnails_of_each_image_are_computed_once(
    image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = count_passes(monkeypatch)
    config, dataset = scanned(image_folder())
    extractor = load_extractor(config, dataset, Silent())
    with open_store(extractor.feature_set) as store:
        extract(dataset, extractor, store, config, Silent())
        extract(dataset, extractor, store, config, Silent())
    assert passed() == dataset.used["digest"].nunique()


def with_near_duplicates(data: Path) -> Path:
    for label, first in (("a", 0), ("b", 100)):
        (data / label).mkdir(parents=True)
        for number in range(8):
            image = made_up_image(first + number, (16, 16)).resize((64, 64))
            image.save(data / label / f"{number}.png")
            for quality in (95, 90, 85):
                image.save(data / label / f"{number}-{quality}.jpg", quality=quality)
    shutil.copy(data / "a" / "0.png", data / "a" / "same.png")
    return data


def test_near_duplicates_fall_in_one_split_and_exact_ones_with_them(tmp_path: Path) -> None:
    data = with_near_duplicates(tmp_path / "data")
    lenet = {"data.group_by": "near-duplicates", "backbone": "lenet", "truncate_at": "top", "weights": "imagenet"}
    config, dataset = scanned(data, **lenet)
    dataset = split(dataset, config.data, config.seed)
    assert any(len(rows["split"].unique()) > 1 for _, rows in by_number(dataset))  # else there would be nothing to put right
    extractor = load_extractor(config, dataset, Silent())
    with open_store(extractor.feature_set) as store:
        dataset = extract(dataset, extractor, store, config, Silent())
        checked, findings = check(dataset, extractor, store, config, Silent())
    assert all(len(rows["split"].unique()) == 1 for _, rows in by_number(checked))
    assert findings.across.empty
    assert len(findings.near_duplicates) >= 2 * 8 * 3


def test_features_read_in_blocks_give_the_same_findings_in_whatever_order_the_files_come(tmp_path: Path) -> None:
    data = with_near_duplicates(tmp_path / "data")
    made_up_image(50).save(data / "a" / os.fsdecode(b"9\xe9.png"))
    config, dataset = scanned(data, seed=3)
    many = config.updated(check__exact_images=10)
    extractor = load_extractor(config, dataset, Silent())
    with open_store(extractor.feature_set) as store:
        dataset = split(extract(dataset, extractor, store, config, Silent()), config.data, config.seed)
        shuffled = replace(dataset, table=dataset.table.sample(frac=1, random_state=5))
        one, other = (stored_images.read(each.table, extractor, store, 10) for each in (dataset, shuffled))
        at_once = stored_images.read(dataset.table, extractor, store, 1000)
        place = pd.Index(at_once.rows["digest"]).get_indexer(one.rows["digest"])
        assert one.rows.equals(other.rows) and one.rows["digest"].tolist() == sorted(dataset.used["digest"].unique())
        for name, table in one.features.items():
            assert table[1:9].tobytes() == at_once.features[name][place[1:9]].tobytes()
        assert one.thumbnails[np.array([5, 2])].tobytes() == at_once.thumbnails[place[[5, 2]]].tobytes()
        exact, first, second = (
            check(each, extractor, store, settings, Silent())[1]
            for each, settings in ((dataset, config), (dataset, many), (shuffled, many))
        )
    assert len([note for note in first.notes if f"not all pairs of {len(one.rows)} images" in note]) == 1
    assert not [note for note in exact.notes if "not all pairs" in note]
    for name in ("classes", "kinds", "files", "duplicates", "leaks"):
        assert getattr(first, name).equals(getattr(exact, name)), name
    assert pairs_of(first) == pairs_of(exact) and len(pairs_of(first)) >= 2 * 8 * 3
    assert first.near_duplicates.equals(second.near_duplicates)


def pairs_of(findings: Findings) -> set[frozenset[str]]:
    pairs = findings.near_duplicates[["path", "other_path"]].replace("same.png", "0.png", regex=True)
    return set(map(frozenset, pairs.to_numpy().tolist()))


@pytest.mark.parametrize("weights", ["random", "file"])
def test_only_features_that_were_learned_from_images_judge_labels(tmp_path: Path, weights: str) -> None:
    data = tmp_path / "data"
    for label in ("a", "b"):
        (data / label).mkdir(parents=True)
        for number in range(12):
            made_up_image(100 * (label == "b") + number, (16, 16)).save(data / label / f"{number}.png")
    if weights == "file":
        keras.applications.VGG16(weights=None, include_top=False).save_weights(tmp_path / "vgg16.weights.h5")
        weights = str(tmp_path / "vgg16.weights.h5")
    config, dataset = scanned(data, weights=weights)
    extractor = load_extractor(config, dataset, Silent())
    with open_store(extractor.feature_set) as store:
        dataset = extract(dataset, extractor, store, config, Silent())
        findings = check(dataset, extractor, store, config, Silent())[1]
    reason = "random weights cannot judge" if weights == "random" else "Of 24 images, a classifier fitted on the others gives"
    assert findings.label_issues.empty and "label_issues" in findings.unchecked and "outliers" not in findings.unchecked
    assert [note for note in findings.notes if reason in note]
    assert not any("labels" in sentence for sentence in findings.exceeded(config.check))


def by_number(dataset: Dataset) -> list:  # type: ignore[type-arg]
    """Return the rows of each image with its near duplicates."""
    names = dataset.table["path"].str.replace("same", "0").str.extract(r"(./\d+)")[0]
    return list(dataset.table.groupby(names))


def test_data_that_cannot_be_split_stays_as_it_is_where_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (40, 40), "red").save(tmp_path / "a" / "1.png")
    config, dataset = scanned(tmp_path)
    with pytest.raises(DataError):
        split(dataset, config.data, config.seed)
    kept = split(dataset, config.data, config.seed, required=False)
    assert "2 classes" in kept.unsplit
    assert list(kept.table["split"]) == [""]
