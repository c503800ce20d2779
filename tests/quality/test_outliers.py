"""Images far from their own class."""

import numpy as np
import pytest

from tests.quality.test_tables import Lazy
from transfer.quality import outliers


def clouds(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes, the second ten times as wide as the first."""
    random = np.random.default_rng(seed)
    narrow, wide = random.normal(size=(60, 8)), 100 + 10 * random.normal(size=(40, 8))
    return np.concatenate([narrow, wide]).astype(np.float32), np.repeat([0, 1], [60, 40])


def test_planted_outliers_come_first_and_wide_classes_may_be_wide() -> None:
    features, labels = clouds()
    features[7] = 20
    features[70] = -100
    found = outliers.find(features, labels, limit=2.5)
    assert sorted(found["row"]) == [7, 70]
    assert (np.diff(found["ratio"]) <= 0).all()


def test_an_image_of_another_class_is_far_from_its_own() -> None:
    features, labels = clouds()
    labels[3] = 1
    assert outliers.find(features, labels, limit=2.0)["row"].tolist()[:1] == [3]


def test_duplicates_of_an_outlier_do_not_hide_each_other() -> None:
    features, labels = clouds()
    features[7] = features[8] = 20
    assert set(outliers.find(features, labels, limit=2.5)["row"]) == {7, 8}


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_the_block_changes_nothing(block: int) -> None:
    features, labels = clouds()
    expected = outliers.find(features, labels, limit=1.0)
    found = outliers.find(features, labels, limit=1.0, block=block)
    assert found["row"].tolist() == expected["row"].tolist()
    assert found["ratio"].to_numpy() == pytest.approx(expected["ratio"].to_numpy(), rel=1e-4)


def test_the_ratio_is_mean_distance_over_the_class_median() -> None:
    features = np.array([[0.0], [1], [2], [3], [4], [20]], np.float32)
    found = outliers.find(features, np.zeros(6, int), limit=2, neighbours=2)
    assert found["row"].tolist() == [5]
    assert found["ratio"].tolist() == pytest.approx([16.5 / 1.25], rel=1e-5)


def test_a_sample_of_each_class_finds_planted_outliers_and_is_the_same_for_a_seed() -> None:
    random = np.random.default_rng(0)
    features, labels = random.normal(size=(900, 8)).astype(np.float32), np.arange(900) % 2
    features[[7, 100]] = 20
    found = outliers.find(Lazy(features), labels, limit=2.5, block=64, sample=50, seed=3)
    assert sorted(found["row"]) == [7, 100]
    assert found.equals(outliers.find(features, labels, limit=2.5, sample=50, seed=3))


def test_a_sample_of_all_is_all() -> None:
    features, labels = clouds()
    assert outliers.find(Lazy(features), labels, limit=1.0, sample=60).equals(outliers.find(features, labels, limit=1.0))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_classes_of_fewer_than_five_images_are_not_judged(count: int) -> None:
    features = np.arange(count, dtype=np.float32)[:, None] ** 9
    assert len(outliers.find(features, np.zeros(count, int), limit=1.0)) == 0


def test_a_class_of_equal_images_has_only_the_other_one_as_outlier() -> None:
    features = np.ones((12, 3), np.float32)
    features[4] = 2
    assert outliers.find(features, np.zeros(12, int), limit=2)["row"].tolist() == [4]
