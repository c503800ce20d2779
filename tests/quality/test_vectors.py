"""Vectors of features and thumbnails."""

import numpy as np
import pytest

from tests.quality.test_tables import Lazy
from transfer.quality import tables
from transfer.quality.vectors import (
    feature_vectors,
    narrow_feature_vectors,
    narrow_thumbnail_vectors,
    standardized,
    thumbnail_vectors,
    unit,
)


def test_features_lose_their_common_mean_and_each_cut_point_has_the_same_weight() -> None:
    random = np.random.default_rng(0)
    small, large = random.normal(size=(100, 300)), 1000 + 50 * random.normal(size=(100, 5))
    table = feature_vectors({"small": small, "large": large}, width=20)
    assert table.shape == (100, 25)
    assert np.linalg.norm(table, axis=1) == pytest.approx(np.ones(100), abs=1e-4)
    assert (table[:, :20] ** 2).sum(axis=1) == pytest.approx(np.full(100, 0.5), abs=1e-4)
    assert np.abs((table @ table.T)[~np.eye(100, dtype=bool)].mean()) < 0.05


def test_values_that_do_not_vary_become_zeros() -> None:
    table = standardized(np.array([[1e6, 1.0], [1e6, 3.0]]))
    assert table.tolist() == [[0, -1], [0, 1]]
    assert unit(np.zeros((1, 2), np.float32)).tolist() == [[0, 0]]


def test_thumbnails_are_compared_by_coarse_brightness_minus_its_mean() -> None:
    thumbnails = np.random.default_rng(0).integers(0, 100, (3, 32, 32, 3)).astype(np.uint8)
    thumbnails[1] = thumbnails[0] + 50
    thumbnails[2] = 7
    table = thumbnail_vectors(thumbnails)
    assert table.shape == (3, 256)
    assert table[1] == pytest.approx(table[0], abs=1e-4)
    assert not table[2].any()


def test_vectors_of_many_images_in_blocks_have_the_cosines_of_those_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    features = {name: random.normal(size=(200, width)).astype(np.float32) for name, width in (("one", 6), ("two", 8))}
    thumbnails = random.integers(0, 256, (200, 8, 8, 3)).astype(np.uint8)
    thumbnails[[3, 77]] = 9
    monkeypatch.setattr(tables, "BLOCK", 32)
    lazy = {name: Lazy(table) for name, table in features.items()}
    narrow, whole = narrow_feature_vectors(lazy, width=14), feature_vectors(features)
    assert narrow @ narrow.T == pytest.approx(whole @ whole.T, abs=1e-4)
    assert narrow_feature_vectors(lazy, width=5).shape == (200, 5)
    narrow, plain = narrow_thumbnail_vectors(Lazy(thumbnails), width=16)
    assert narrow == pytest.approx(thumbnail_vectors(thumbnails), abs=1e-5)
    assert np.flatnonzero(plain).tolist() == [3, 77]
    reduced, _ = narrow_thumbnail_vectors(Lazy(thumbnails), width=4)
    assert reduced.shape == (200, 4) and np.linalg.norm(reduced[~plain], axis=1) == pytest.approx(np.ones(198), abs=1e-4)
