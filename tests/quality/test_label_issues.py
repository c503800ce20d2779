"""Likely wrong labels, from made-up features whose true classes are known."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.quality.test_tables import Lazy
from transfer.quality import label_issues, ridge, tables
from transfer.quality.tables import Standardized
from transfer.quality.vectors import standardized


def made_up(count: int, classes: int, spread: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Clouds around the corners of a simplex: float32 [n, d], and the class of each row."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = 3 * np.eye(classes, max(classes, 8))
    return (centres[labels] + spread * random.normal(size=(count, centres.shape[1]))).astype(np.float32), labels


def find(features: np.ndarray, labels: np.ndarray, groups: np.ndarray, **options: Any) -> pd.DataFrame:
    return label_issues.find(standardized(features), labels, groups, **options).table


def alone(labels: np.ndarray) -> np.ndarray:
    return np.arange(len(labels))


def test_planted_wrong_labels_are_among_the_first_suggestions() -> None:
    features, true = made_up(400, 5, spread=1.0)
    wrong = np.random.default_rng(1).choice(400, 20, replace=False)
    labels = true.copy()
    labels[wrong] = (labels[wrong] + 1) % 5
    found = find(features, labels, alone(labels))
    first = found.head(30)
    assert np.isin(wrong, first["row"]).mean() >= 0.8
    hits = first[first["row"].isin(wrong)]
    assert (hits["suggested"] == true[hits["row"]]).all()
    assert (hits["given"] == labels[hits["row"]]).all()
    assert (hits["given_probability"] < hits["suggested_probability"]).all()
    assert (np.diff(found["given_probability"]) >= 0).all()


def test_of_classes_that_are_told_apart_with_ease_every_wrong_label_is_found() -> None:
    features, true = made_up(600, 10, spread=0.3)
    wrong = np.random.default_rng(1).choice(600, 30, replace=False)
    labels = true.copy()
    labels[wrong] = (labels[wrong] + 1 + np.arange(30) % 9) % 10
    found = find(features, labels, alone(labels), inverse_penalty=0.1)
    assert set(found["row"]) == set(wrong)


@pytest.mark.parametrize("classes", [2, 5])
def test_separable_classes_have_no_issue(classes: int) -> None:
    features, labels = made_up(120, classes, spread=0.1)
    found = find(features, labels, alone(labels))
    assert list(found.columns) == label_issues.COLUMNS
    assert len(found) == 0


@pytest.mark.parametrize(("count", "classes"), [(30, 2), (200, 10), (200, 2), (1000, 5), (800, 200)])
def test_labels_that_have_nothing_to_do_with_the_images_are_not_judged(count: int, classes: int) -> None:
    """Here every suggestion would be wrong."""
    features = np.random.default_rng(0).normal(size=(count, 300)).astype(np.float32)
    labels = np.arange(count) % classes
    found = label_issues.find(standardized(features), labels, alone(labels))
    assert not found.learned and found.table.empty and found.judged == count
    assert found.majority == pytest.approx(1 / classes, abs=0.01)
    assert abs(found.accuracy - 1 / classes) < 0.25


def test_where_nearly_all_images_are_of_one_class_being_as_good_as_naming_it_is_not_enough() -> None:
    features = np.random.default_rng(0).normal(size=(1000, 50)).astype(np.float32)
    labels = (np.arange(1000) < 20).astype(int)
    found = label_issues.find(standardized(features), labels, alone(labels))
    assert found.accuracy >= 0.97 and not found.learned and found.table.empty
    features[:20] += 3
    learned = label_issues.find(standardized(features), labels, alone(labels))
    assert learned.learned and learned.accuracy > 0.99


def test_labels_of_which_most_are_wrong_can_still_be_judged() -> None:
    features, true = made_up(1000, 5, spread=0.3)
    random = np.random.default_rng(0)
    labels = np.where(random.random(1000) < 0.5, random.integers(0, 5, 1000), true)
    found = label_issues.find(standardized(features), labels, alone(labels))
    wrong = set(np.flatnonzero(labels != true))
    assert found.learned and len(wrong & set(found.table["row"])) >= 0.95 * len(wrong)
    assert len(wrong & set(found.table["row"])) >= 0.95 * len(found.table)


def test_classes_of_three_images_and_more_classes_than_folds() -> None:
    features, labels = made_up(60, 20, spread=0.3)
    labels[0] = 7
    found = find(features, labels, alone(labels))
    assert found["row"].tolist()[:1] == [0]
    assert found["suggested"].tolist()[:1] == [0]


def test_two_hundred_classes() -> None:
    features, labels = made_up(800, 200, spread=0.1)
    labels[5] = 6
    assert find(features, labels, alone(labels), inverse_penalty=1.0)["row"].tolist()[:1] == [5]


def test_numbers_of_classes_may_have_gaps() -> None:
    features, labels = made_up(90, 3, spread=0.3)
    labels = labels * 4 + 1
    labels[0] = 9
    found = find(features, labels, alone(labels))
    assert found[["row", "given", "suggested"]].to_numpy().tolist()[:1] == [[0, 9, 1]]


def test_near_duplicates_with_the_same_wrong_label_do_not_confirm_each_other() -> None:
    features, labels = made_up(100, 2, spread=0.3)
    duplicates = np.array([0, 2, 4, 6, 8])
    features[duplicates] = features[0]
    labels[duplicates] = 1
    groups = alone(labels)
    groups[duplicates] = 0
    assert set(find(features, labels, groups)["row"]) == set(duplicates)


def test_groups_may_have_names() -> None:
    features, labels = made_up(60, 2, spread=0.3)
    labels[0] = 1
    by_number = find(features, labels, alone(labels))
    by_name = find(features, labels, np.array([f"{row:03d}" for row in alone(labels)]))
    assert by_name.equals(by_number)


@pytest.mark.parametrize("classes", [1, 2])
def test_where_nothing_can_be_learned_nothing_is_said(classes: int) -> None:
    features, labels = made_up(20, classes)
    assert len(find(features, labels, np.full(20, "all"))) == 0
    assert len(find(features[:0], labels[:0], np.zeros(0, int))) == 0


def test_a_class_with_one_group_is_not_judged_and_not_suggested() -> None:
    features, labels = made_up(90, 3, spread=0.3)
    labels[0] = 1
    groups = alone(labels)
    groups[labels == 2] = 2
    found = find(features, labels, groups)
    assert found["row"].tolist() == [0]
    assert not (labels[found["row"]] == 2).any()


def test_learning_from_fewer_rows_keeps_every_class_and_judges_all() -> None:
    labels = np.repeat([0, 1], [960, 40])
    rows = label_issues._some(np.arange(1000), labels, 100, seed=0)
    assert np.bincount(labels[rows]).tolist() == [96, 20]
    features, labels = made_up(400, 4, spread=0.3)
    wrong = [0, 101, 202, 303]
    labels[wrong] = (labels[wrong] + 1) % 4
    found = find(features, labels, alone(labels), max_rows=100)
    assert set(found["row"][:3]) < set(wrong)


def test_cut_points_stand_side_by_side_standardised() -> None:
    random = np.random.default_rng(0)
    table = label_issues.joined({"a": 5 + random.normal(size=(50, 3)), "b": 100 * random.normal(size=(50, 2))})
    assert table.shape == (50, 5)
    assert table.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-4)
    assert table.std(axis=0) == pytest.approx(np.ones(5), abs=1e-4)


@pytest.mark.parametrize("most", [10**9, 1600])
def test_features_that_are_not_in_memory_and_few_probabilities_at_a_time_change_next_to_nothing(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = made_up(600, 5, spread=1.0)
    wrong = np.random.default_rng(1).choice(600, 30, replace=False)
    labels[wrong] = (labels[wrong] + 1) % 5
    groups = np.arange(600) // 3
    expected = label_issues.find(standardized(features), labels, groups)
    monkeypatch.setattr(label_issues, "_VALUES", most)
    monkeypatch.setattr(tables, "BLOCK", 100)
    monkeypatch.setattr(ridge, "_LARGE", 2)
    found = label_issues.find(Standardized.of({"all": Lazy(features)}), labels, groups)
    assert (found.judged, found.learned, found.majority) == (expected.judged, expected.learned, expected.majority)
    assert abs(found.accuracy - expected.accuracy) < 0.01
    common = set(found.table["row"]) & set(expected.table["row"])
    assert len(common) >= 0.8 * max(len(found.table), len(expected.table))
    assert (np.diff(found.table["given_probability"]) >= 0).all()
    assert len(set(found.table["row"])) == len(found.table)


def test_parts_are_whole_groups() -> None:
    groups = np.random.default_rng(0).integers(0, 40, 200)
    parts = label_issues._parts(groups, classes=400_000)
    assert len(parts) == 4
    assert sorted(np.concatenate(parts)) == list(range(200))
    assert sum(len(set(groups[part])) for part in parts) == len(set(groups))
