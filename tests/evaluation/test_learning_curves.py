"""Means with intervals, and which runs are compared with which."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.made_up_comparison import comparison
from transfer.errors import ConfigError, RunError
from transfer.evaluation.learning_curves import OVER_IMAGES, OVER_SEEDS, paired, sizes_in_order, summary
from transfer.evaluation.intervals import wilson

TWO = {"frozen": {"1": 0.7, "10": 0.9}, "lenet": {"1": 0.5, "10": 0.9}}
THREE = TWO | {"tuned": {"10": 0.95, "all": 0.99}}


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


def test_all_pairs_are_compared_at_the_sizes_both_have() -> None:
    table = paired(*comparison(THREE))
    found = list(table[["method_a", "method_b", "size"]].itertuples(index=False, name=None))
    assert found == [("frozen", "lenet", "1"), ("frozen", "lenet", "10"), ("frozen", "tuned", "10"), ("lenet", "tuned", "10")]


def test_with_a_reference_each_is_compared_with_it() -> None:
    table = paired(*comparison(THREE), reference="lenet")
    found = list(table[["method_a", "method_b", "size"]].itertuples(index=False, name=None))
    assert found == [("frozen", "lenet", "1"), ("frozen", "lenet", "10"), ("tuned", "lenet", "10")]


def test_a_reference_that_is_no_method_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'frozen'"):
        paired(*comparison(TWO), reference="frosen")


def test_the_difference_is_that_of_the_accuracies() -> None:
    runs, predicted = comparison(TWO, seeds=3)
    row = paired(runs, predicted).iloc[0]
    means = runs.groupby(["method", "size"])["accuracy"].mean()
    assert row["difference"] == pytest.approx(means["frozen", "1"] - means["lenet", "1"])
    assert row["low"] < row["difference"] < row["high"]
    assert (row["seeds"], row["test_images"], row["test"]) == (3, 400, "bootstrap")


def test_one_seed_is_tested_by_mcnemar() -> None:
    runs, predicted = comparison(TWO, seeds=1, images=40, noise=0)
    row = paired(runs, predicted).iloc[0]
    assert row["test"] == "mcnemar"
    assert row["p"] == pytest.approx(2 * 0.5**8), "8 of 40 images are right with frozen alone"


def test_only_seeds_that_both_have_are_compared() -> None:
    runs, predicted = comparison(TWO, seeds=3, without=[("frozen", "1", 0), ("lenet", "1", 2)])
    table = paired(runs, predicted)
    assert list(table["seeds"]) == [1, 3]
    assert list(table["test"]) == ["mcnemar", "bootstrap"]
    both = runs[(runs["seed"] == 1) & (runs["size"] == "1")].set_index("method")["accuracy"]
    assert table["difference"][0] == pytest.approx(both["frozen"] - both["lenet"])


def test_no_common_seed_no_row() -> None:
    runs, predicted = comparison(TWO, seeds=2, without=[("frozen", "1", 0), ("lenet", "1", 1)])
    assert list(paired(runs, predicted)["size"]) == ["10"]


def test_p_is_adjusted_over_all_rows() -> None:
    table = paired(*comparison(THREE))
    assert table["p_adjusted"].min() == pytest.approx(min(1.0, len(table) * table["p"].min()))
    assert (table["p_adjusted"] >= table["p"]).all()


def test_one_method_gives_an_empty_table_with_its_columns() -> None:
    table = paired(*comparison({"frozen": {"1": 0.7}}))
    assert table.empty
    assert {"method_a", "difference", "p_adjusted", "test"} <= set(table.columns)


def test_a_run_without_predictions_is_an_error() -> None:
    runs, predicted = comparison(TWO)
    with pytest.raises(RunError, match=r"Received 'lenet-10-4'"):
        paired(runs, predicted.drop(columns="lenet-10-4"))


def test_classes_called_by_numbers_are_compared_as_names() -> None:
    """A table read back has numbers where it was written with text."""
    runs, predicted = comparison(TWO, seeds=1, noise=0)
    numbers = predicted.replace({"cat": "3", "dog": "8"})
    numbers["label"] = np.full(len(numbers), 3)
    pd.testing.assert_frame_equal(paired(runs, numbers), paired(runs, predicted))
