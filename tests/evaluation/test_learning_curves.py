"""Accuracies with their intervals, and costs, by method and size."""

import math

import pytest

from tests.evaluation.made_up_comparison import comparison
from transfer.evaluation.learning_curves import OVER_IMAGES, OVER_SEEDS, sizes_in_order, summary
from transfer.evaluation.metrics import wilson


def test_a_mean_over_seeds_has_students_interval() -> None:
    """Three accuracies 0.7, 0.8, 0.9: 0.8 +- 4.3027 * 0.1 / sqrt(3)."""
    runs, _ = comparison({"frozen": {"1": 0.8}}, seeds=3)
    runs["accuracy"] = [0.7, 0.8, 0.9]
    row = summary(runs).iloc[0]
    assert row["accuracy"] == pytest.approx(0.8)
    assert row["accuracy_high"] == 1.0
    assert row["accuracy_low"] == pytest.approx(0.8 - 4.302653 * 0.1 / math.sqrt(3), abs=1e-6)
    assert (row["seeds"], row["interval"]) == (3, OVER_SEEDS)


def test_one_seed_has_wilsons_interval_over_the_images() -> None:
    runs, _ = comparison({"frozen": {"1": 0.8}}, seeds=1, images=200, noise=0)
    row = summary(runs).iloc[0]
    assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx(wilson(160, 200))
    assert (row["seeds"], row["interval"]) == (1, OVER_IMAGES)


def test_the_summary_keeps_methods_in_order_and_sorts_sizes_by_images() -> None:
    runs, _ = comparison({"lenet": {"all": 0.9, "10": 0.8, "1": 0.5}, "frozen": {"2": 0.6}}, seeds=1)
    table = summary(runs.iloc[::-1])
    assert list(zip(table["method"], table["size"], strict=True)) == [("frozen", "2"), ("lenet", "1"), ("lenet", "10"), ("lenet", "all")]
    assert list(sizes_in_order(runs)) == ["1", "2", "10", "all"]


def test_cost_is_a_mean_and_one_estimate_makes_the_energy_an_estimate() -> None:
    runs, _ = comparison({"frozen": {"1": 0.8}}, seeds=3)
    runs["seconds"] = [10.0, 20.0, 60.0]
    runs["energy_wh"] = [1.0, 3.0, float("nan")]
    runs["energy_source"] = ["counter", "estimate", float("nan")]
    row = summary(runs).iloc[0]
    assert (row["seconds"], row["energy_wh"], row["energy_source"]) == (30.0, 2.0, "estimate")
    runs["energy_source"] = ["counter", "counter", "estimate"]
    assert summary(runs).iloc[0]["energy_source"] == "counter", "the source of a figure that is missing says nothing"


def test_energy_that_was_not_measured_stays_empty() -> None:
    row = summary(comparison({"frozen": {"1": 0.8}})[0]).iloc[0]
    assert math.isnan(row["energy_wh"]) and row["energy_source"] == ""
