"""The intervals and tests of a difference say what they claim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from transfer.evaluation.paired_differences import holm, one_seed, several_seeds

REPETITIONS = 400


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
def test_methods_that_agree_on_few_images_are_not_surely_alike(seeds: int) -> None:
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
