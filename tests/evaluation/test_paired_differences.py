"""Which runs are compared with which, and that intervals and tests of a difference keep what they claim."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from tests.evaluation.made_up_comparison import comparison
from transfer.errors import ConfigError, RunError
from transfer.evaluation.paired_differences import holm, one_seed, paired, several_seeds

REPETITIONS = 400
TWO = {"frozen": {"1": 0.7, "10": 0.9}, "lenet": {"1": 0.5, "10": 0.9}}
THREE = TWO | {"tuned": {"10": 0.95, "all": 0.99}}


def outcomes(random: np.random.Generator, seeds: int, images: int, seed_spread: float, image_spread: float, rest: float) -> np.ndarray:
    """Return the signs of one made-up experiment: images are hard for both methods, each method has luck with seed and image."""
    hard = random.normal(0, 1, images)

    def right(skill: float) -> np.ndarray:
        of_seed, of_image = random.normal(0, seed_spread, (seeds, 1)), random.normal(0, image_spread, images)
        return (skill + hard + of_seed + of_image + random.normal(0, rest, (seeds, images)) > 0).astype(np.int8)

    return right(0.8) - right(0.6)


def truth(seed_spread: float, image_spread: float, rest: float) -> float:
    scale = np.sqrt(1 + seed_spread**2 + image_spread**2 + rest**2)
    return float(norm.cdf(0.8 / scale) - norm.cdf(0.6 / scale))


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("spreads", [(0.1, 0.3, 0.3), (0.3, 0.3, 0.3), (0.0, 0.0, 0.8)], ids=["both", "seeds", "neither"])
def test_the_interval_over_seeds_holds_the_truth_as_often_as_it_says(seeds: int, spreads: tuple[float, float, float]) -> None:
    random = np.random.default_rng(seeds)
    found = [several_seeds(outcomes(random, seeds, 200, *spreads), 1000) for _ in range(REPETITIONS)]
    assert np.mean([one.low <= truth(*spreads) <= one.high for one in found]) >= 0.92


def test_the_interval_over_many_seeds_is_not_much_wider_than_it_must_be() -> None:
    random = np.random.default_rng(7)
    found = [several_seeds(outcomes(random, 10, 400, 0.1, 0.3, 0.3), 2000) for _ in range(200)]
    spread = np.std([one.value for one in found])
    assert np.median([one.high - one.low for one in found]) < 1.25 * 2 * 1.96 * spread


@pytest.mark.parametrize("images", [30, 300])
def test_the_interval_of_one_seed_holds_the_truth_as_often_as_it_says(images: int) -> None:
    random = np.random.default_rng(images)
    found = [one_seed(outcomes(random, 1, images, 0.0, 0.3, 0.3)[0]) for _ in range(REPETITIONS)]
    assert np.mean([one.low <= truth(0.0, 0.3, 0.3) <= one.high for one in found]) >= 0.92


def test_where_there_is_no_difference_few_are_found() -> None:
    random = np.random.default_rng(3)
    signs = [random.choice([-1, 0, 1], (3, 200), p=[0.1, 0.8, 0.1]).astype(np.int8) for _ in range(REPETITIONS)]
    assert np.mean([several_seeds(one, 2000).p < 0.05 for one in signs]) <= 0.08


def test_mcnemar_is_exact() -> None:
    """8 against 2: twice the chance of 2 heads or fewer in 10 throws, (1 + 10 + 45) / 1024."""
    signs = np.array([1] * 8 + [-1] * 2 + [0] * 90)
    found = one_seed(signs)
    assert found.p == pytest.approx(112 / 1024)
    assert found.value == pytest.approx(0.06)


def test_mcnemar_is_near_its_large_sample_form() -> None:
    signs = np.array([1] * 300 + [-1] * 230 + [0] * 500)
    assert one_seed(signs).p == pytest.approx(chi2.sf((abs(300 - 230) - 1) ** 2 / 530, 1), rel=0.02)


def test_the_interval_of_one_seed_is_that_of_bonett_and_price() -> None:
    """9 and 3 of 102 after adding one to each: 6/102 +- 1.96 sqrt((12/102 - (6/102)^2) / 102)."""
    found = one_seed(np.array([1] * 8 + [-1] * 2 + [0] * 90))
    assert (found.low, found.high) == pytest.approx((-0.0067, 0.1244), abs=1e-4)


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_methods_that_agree_on_few_images_are_not_certainly_equal(seeds: int) -> None:
    signs = np.zeros((seeds, 20), np.int8)
    found = one_seed(signs[0]) if seeds == 1 else several_seeds(signs, 2000)
    assert found.value == 0 and found.p == 1
    assert found.low < -0.05 and found.high > 0.05


def test_p_is_never_0_and_a_great_difference_has_the_smallest() -> None:
    signs = np.ones((5, 50), np.int8)
    signs[:, :5] = 0
    found = several_seeds(signs, 999)
    assert found.p == pytest.approx(2 / 1000)
    assert found.low > 0.7


def test_seeds_that_disagree_widen_the_interval() -> None:
    alike = np.tile(np.array([1] * 20 + [0] * 180, np.int8), (3, 1))
    apart = np.zeros((3, 200), np.int8)
    apart[0, :60] = 1
    assert alike.mean() == apart.mean()
    narrow, wide = several_seeds(alike, 4000), several_seeds(apart, 4000)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    assert narrow.p < 0.05 < wide.p


signs_of = st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(0, 10**6))


@settings(max_examples=60, deadline=None)
@given(signs_of)
def test_the_difference_lies_in_its_interval_and_turns_with_the_methods(shape: tuple[int, int, int]) -> None:
    seeds, images, number = shape
    signs = np.random.default_rng(number).integers(-1, 2, (seeds, images)).astype(np.int8)

    def difference(values: np.ndarray) -> tuple[float, float, float, float]:
        found = one_seed(values[0]) if seeds == 1 else several_seeds(values, 1000)
        return found.value, found.low, found.high, found.p

    value, low, high, p = difference(signs)
    turned = difference(-signs)
    assert -1 <= low <= value <= high <= 1 and 0 < p <= 1
    assert turned[0] == pytest.approx(-value)
    assert turned[1:] == pytest.approx((-high, -low, p))


def test_the_same_signs_give_the_same_answer() -> None:
    signs = np.random.default_rng(0).integers(-1, 2, (3, 50)).astype(np.int8)
    assert several_seeds(signs, 500) == several_seeds(signs, 500)


def test_the_example_of_holm() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=30))
def test_adjusted_p_are_larger_at_most_1_and_in_the_same_order(p: list[float]) -> None:
    values = np.array(p, float)
    adjusted = holm(values)
    assert np.all(adjusted >= values) and np.all(adjusted <= 1)
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(adjusted[order]) >= 0)
    assert len(p) == 0 or adjusted.min() == pytest.approx(min(len(p) * values.min(), 1.0))


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
