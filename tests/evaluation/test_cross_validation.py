"""Figures of cross-validation: of each fold, over folds, and of all images."""

import numpy as np
import pytest
from scipy.stats import t as student

from transfer.evaluation.cross_validation import interval, over_folds, summary
from transfer.evaluation.metrics import wilson

CLASSES = ["a", "b"]


def test_figures_are_those_of_the_images_of_each_fold() -> None:
    right = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    labels, fold = np.array([0, 1] * 4), np.repeat([1, 2], 4)
    probabilities = right[labels]
    probabilities[0] = [0.3, 0.7]  # one mistake, in the first fold
    found = summary(probabilities, labels, fold, 1.0, CLASSES)
    assert found["folds"] == 2 and found["images"] == 8
    assert [row["accuracy"] for row in found["per_fold"]] == [0.75, 1.0] and [row["images"] for row in found["per_fold"]] == [4, 4]
    assert found["accuracy"]["mean"] == 0.875 and found["accuracy"]["std"] == pytest.approx(np.std([0.75, 1], ddof=1))
    assert found["pooled"]["accuracy"] == 0.875 and found["pooled"]["accuracy_ci95"] == list(wilson(7, 8))
    assert found["log_loss"]["mean"] == pytest.approx(found["pooled"]["log_loss"])  # folds of the same size


def test_the_interval_is_wider_than_that_of_independent_folds() -> None:
    values = np.array([0.7, 0.72, 0.75, 0.71, 0.74])
    low, high = interval(values, 0.25)
    usual = student.ppf(0.975, 4) * values.std(ddof=1) / np.sqrt(5)
    assert (high - low) / 2 == pytest.approx(usual * np.sqrt(5 * (1 / 5 + 1 / 4))) and (low + high) / 2 == pytest.approx(values.mean())


def test_an_interval_stays_within_what_is_possible() -> None:
    wide = np.array([0.2, 0.9])
    assert over_folds(wide, 1.0, is_share=True)["ci95"] == [0.0, 1.0]
    low, high = over_folds(wide, 1.0, is_share=False)["ci95"]
    assert low == 0.0 and high > 1.0
    assert over_folds(np.array([1.0, 1.0, 1.0]), 0.5, is_share=True) == {"mean": 1.0, "std": 0.0, "ci95": [1.0, 1.0]}


def test_folds_without_some_class_have_figures_too() -> None:
    probabilities, fold = np.full((6, 3), 1 / 3, np.float32), np.repeat([1, 2, 3], 2)
    found = summary(probabilities, np.array([0, 0, 1, 1, 2, 2]), fold, 0.5, ["a", "b", "c"])
    assert [row["accuracy"] for row in found["per_fold"]] == [1.0, 0.0, 0.0]
