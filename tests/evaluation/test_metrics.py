"""Metrics against scikit-learn, values worked out by hand, and properties that always hold."""

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sklearn_metrics

from transfer.evaluation.metrics import (
    absent,
    confusion_cells,
    confusion_matrix,
    evaluate,
    expected_calibration_error,
    log_loss,
    majority,
    share_difference,
    wilson,
)  # fmt: skip

NAMES = ["a", "b", "c"]


def predictions(count: int = 200, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are right more often than not, and labels of unequal frequency."""
    generator = np.random.default_rng(seed)
    labels = np.minimum(generator.geometric(0.5, count) - 1, classes - 1)
    logits = generator.normal(size=(count, classes)) + 1.5 * np.eye(classes)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return probabilities.astype(np.float32), labels


def test_the_figures_are_those_of_scikit_learn() -> None:
    probabilities, labels = predictions()
    received, predicted = evaluate(probabilities, labels, NAMES), predictions()[0].argmax(1)
    assert received["images"] == 200
    assert received["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted))
    assert received["macro_f1"] == pytest.approx(sklearn_metrics.f1_score(labels, predicted, average="macro"))
    exact = probabilities.astype(np.float64) / probabilities.astype(np.float64).sum(1, keepdims=True)
    assert received["log_loss"] == pytest.approx(sklearn_metrics.log_loss(labels, exact), rel=1e-5)
    assert (confusion_matrix(received) == sklearn_metrics.confusion_matrix(labels, predicted)).all()
    for number, name in enumerate(NAMES):
        for figure, function in (
            ("precision", sklearn_metrics.precision_score), ("recall", sklearn_metrics.recall_score), ("f1", sklearn_metrics.f1_score),
        ):  # fmt: skip
            assert received["per_class"][name][figure] == pytest.approx(function(labels == number, predicted == number))
        assert received["per_class"][name]["images"] == (labels == number).sum()


def test_a_case_worked_out_by_hand() -> None:
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.9, 0.1]])
    received = evaluate(probabilities, np.array([0, 1, 1, 0]), ["no", "yes"])
    assert received["accuracy"] == 0.75 and received["confusion"] == {"no": {"no": 2}, "yes": {"no": 1, "yes": 1}}
    assert received["per_class"]["no"]["precision"] == pytest.approx(2 / 3)
    yes = dict(received["per_class"]["yes"])
    assert yes.pop("recall_ci95") == list(wilson(1, 2))
    assert yes == pytest.approx({"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "images": 2})
    assert received["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert received["log_loss"] == pytest.approx(-(math.log(0.8) + math.log(0.4) + math.log(0.7) + math.log(0.9)) / 4)
    assert received["ece"] == pytest.approx((0.2 + 0.6 + 0.3 + 0.1) / 4)
    assert received["accuracy_ci95"] == pytest.approx(wilson(3, 4))


def test_the_order_of_rows_and_columns_of_the_confusion_is_that_of_the_classes() -> None:
    probabilities = np.eye(3)[[2, 2, 0]]
    received = evaluate(probabilities, np.array([0, 2, 0]), NAMES)
    assert confusion_matrix(received).tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert received["confusion"] == {"a": {"a": 1, "c": 1}, "c": {"c": 1}}, "cells that are not zero, with the names"


def test_the_whole_matrix_in_a_run_of_an_earlier_version_is_read_like_its_cells() -> None:
    now = evaluate(*predictions(), NAMES)
    earlier = now | {"confusion": confusion_matrix(now).tolist()}
    assert confusion_cells(earlier) == now["confusion"]
    assert (confusion_matrix(earlier) == confusion_matrix(now)).all()


def test_the_figures_of_a_thousand_classes_are_small() -> None:
    classes = [f"n{number:08d}" for number in range(1200)]
    labels = np.arange(2400) % 1200
    found = evaluate(np.random.default_rng(0).dirichlet(np.ones(1200), 2400), labels, classes)
    assert len(json.dumps({"validation": found, "test": found}, indent=2)) < 1_000_000


def test_the_majority_class_is_the_most_frequent_label_with_its_share() -> None:
    received = evaluate(np.eye(3)[[0, 0, 0, 0]], np.array([1, 1, 0, 1]), NAMES)
    assert (received["majority_class"], received["majority"]) == majority(received) == ("b", 0.75)
    assert absent(received) == ["c"]


def test_a_class_that_is_not_in_the_split_has_no_influence_and_no_warning() -> None:
    probabilities, labels = np.eye(3)[[0, 1, 0]], np.array([0, 1, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        received = evaluate(probabilities, labels, NAMES)
    assert received["per_class"]["c"] == {"precision": 0.0, "recall": 0.0, "recall_ci95": [0.0, 1.0], "f1": 0.0, "images": 0}
    assert received["macro_f1"] == pytest.approx(2 / 3), "the mean over the two classes that are there"


def test_one_image_is_enough() -> None:
    received = evaluate(np.array([[0.5, 0.3, 0.2]]), np.array([0]), NAMES)
    assert received["accuracy"] == received["macro_f1"] == 1.0 and received["ece"] == pytest.approx(0.5)


def test_everything_can_be_written_as_json() -> None:
    received = evaluate(*predictions(), NAMES)
    assert json.loads(json.dumps(received, allow_nan=False)) == received


def test_a_sure_mistake_costs_much_but_not_infinitely_much() -> None:
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-math.log(1e-7))


def test_a_perfect_prediction_costs_nothing() -> None:
    received = evaluate(np.eye(3, dtype=np.float32)[[0, 1, 2]], np.array([0, 1, 2]), NAMES)
    assert (received["accuracy"], received["macro_f1"], received["log_loss"], received["ece"]) == (1.0, 1.0, 0.0, 0.0)


tables = st.integers(2, 5).flatmap(
    lambda classes: st.lists(
        st.tuples(st.lists(st.floats(0.01, 1), min_size=classes, max_size=classes), st.integers(0, classes - 1)), min_size=1, max_size=60
    )
)


@settings(max_examples=100, deadline=None)
@given(tables)
def test_what_holds_for_any_predictions(rows: list[tuple[list[float], int]]) -> None:
    probabilities = np.array([row for row, _ in rows])
    probabilities = (probabilities / probabilities.sum(1, keepdims=True)).astype(np.float32)
    labels = np.array([label for _, label in rows])
    received = evaluate(probabilities, labels, [str(number) for number in range(probabilities.shape[1])])
    low, high = received["accuracy_ci95"]
    assert 0 <= low <= received["accuracy"] <= high <= 1
    assert 0 <= received["macro_f1"] <= 1 and 0 <= received["ece"] <= 1 and received["log_loss"] >= 0
    confusion = confusion_matrix(received)
    assert confusion.sum() == len(rows) and np.trace(confusion) == round(received["accuracy"] * len(rows))
    for number, of_class in enumerate(received["per_class"].values()):
        assert of_class["images"] == confusion[number].sum()
        assert of_class["recall_ci95"][0] <= of_class["recall"] <= of_class["recall_ci95"][1] or not of_class["images"]


@settings(max_examples=50, deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_the_images_has_no_influence(rows: list[tuple[list[float], int]], random: object) -> None:
    def judged(rows: list[tuple[list[float], int]]) -> dict[str, object]:
        values = np.array([row for row, _ in rows])
        return evaluate(values / values.sum(1, keepdims=True), np.array([label for _, label in rows]), list("abcde")[: values.shape[1]])

    shuffled = rows.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = judged(rows), judged(shuffled)
    assert one["confusion"] == other["confusion"]
    assert one["ece"] == pytest.approx(other["ece"]) and one["log_loss"] == pytest.approx(other["log_loss"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(6, 10), st.integers(1, 4)), min_size=1, max_size=5, unique_by=lambda pair: pair[0]))
def test_the_calibration_error_of_perfect_calibration_is_zero(groups: list[tuple[int, int]]) -> None:
    """Of ten predictions that are sure to `tenths` / 10, so many are right."""
    confidence = np.concatenate([np.full(10 * times, tenths / 10) for tenths, times in groups])
    labels = np.concatenate([np.tile(np.arange(10) >= tenths, times) for tenths, times in groups]).astype(int)
    assert expected_calibration_error(np.stack([confidence, 1 - confidence], 1), labels) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("sure", "right", "expected"), [(0.9, 0, 0.9), (0.9, 10, 0.1), (0.6, 10, 0.4), (1.0, 5, 0.5), (1.0000001, 10, 0.0)]
)
def test_the_calibration_error_is_the_distance_of_confidence_and_accuracy(sure: float, right: int, expected: float) -> None:
    probabilities = np.tile([sure, 1 - sure], (10, 1))
    labels = (np.arange(10) >= right).astype(int)
    assert expected_calibration_error(probabilities, labels) == pytest.approx(expected, abs=1e-6)


def test_the_calibration_error_does_not_let_bins_cancel_out() -> None:
    probabilities = np.array([[0.95, 0.05]] * 10 + [[0.55, 0.45]] * 10)
    labels = np.array([0] * 5 + [1] * 5 + [0] * 10)  # too sure by 0.45, and not sure enough by 0.45
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0.45)


shares = st.integers(1, 10_000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


def test_wilsons_interval_of_the_example_of_newcombe_1998() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@settings(max_examples=100, deadline=None)
@given(shares)
def test_wilsons_interval_is_that_of_scipy(share: tuple[int, int]) -> None:
    successes, trials = share
    expected = binomtest(successes, trials).proportion_ci(0.95, "wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_without_trials_wilsons_interval_is_0_to_1() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@settings(max_examples=200, deadline=None)
@given(shares)
def test_wilsons_interval_contains_the_share_and_lies_within_0_and_1(share: tuple[int, int]) -> None:
    successes, trials = share
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1 and low < high


@settings(max_examples=100, deadline=None)
@given(shares)
def test_wilsons_interval_of_failures_mirrors_that_of_successes(share: tuple[int, int]) -> None:
    successes, trials = share
    low, high = wilson(successes, trials)
    assert wilson(trials - successes, trials) == pytest.approx((1 - high, 1 - low))


@settings(max_examples=100, deadline=None)
@given(shares)
def test_more_trials_make_wilsons_interval_narrower_and_more_confidence_wider(share: tuple[int, int]) -> None:
    successes, trials = share
    low, high = wilson(successes, trials)
    narrow, wide = wilson(4 * successes, 4 * trials), wilson(successes, trials, z=2.576)
    assert narrow[1] - narrow[0] < high - low < wide[1] - wide[0]


def test_the_difference_of_two_shares_is_newcombes_interval() -> None:
    """Newcombe (1998), table II, method 10: 56/70 - 48/80, and 9/10 - 3/10."""
    assert share_difference(56, 70, 48, 80) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert share_difference(9, 10, 3, 10) == pytest.approx((0.6, 0.1705, 0.8090), abs=5e-5)
    assert share_difference(5, 56, 0, 29)[1:] == pytest.approx((-0.0381, 0.1926), abs=5e-5)
