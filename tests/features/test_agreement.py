"""How far features agree: the worst angle of any image, and what the difference does to a classifier."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.features.agreement import probability_difference, worst_cosine


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([[1, 0], [0, 1]], [[2, 0], [0, 3]], 1.0),
        ([[1, 0], [0, 1]], [[1, 0], [1, 1]], 0.5**0.5),
        ([[1, 0], [0, 1]], [[1, 0], [0, -1]], -1.0),
        ([[0, 0], [1, 1]], [[0, 0], [1, 1]], 1.0),
        ([[0, 0], [1, 1]], [[1, 0], [1, 1]], 0.0),
        ([[1, 0], [1, 1]], [[1, 0], [np.nan, 1]], -1.0),
        ([[1, 0], [1, 1]], [[1, 0], [np.inf, 1]], -1.0),
    ],
    ids=["the same directions", "the worst counts", "opposite", "zero in both", "zero in one", "not a number", "overflown"],
)
def test_worst_cosine(a: list[list[float]], b: list[list[float]], expected: float) -> None:
    assert worst_cosine(np.array(a, np.float32), np.array(b, np.float32)) == pytest.approx(expected)


vectors = st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(vectors, vectors), min_size=1, max_size=5), st.floats(0.1, 10))
def test_worst_cosine_is_one_for_equal_directions_and_symmetric(pairs: list[tuple[list[float], list[float]]], scale: float) -> None:
    a, b = (np.array(side, np.float64) for side in zip(*pairs, strict=True))
    worst = worst_cosine(a, b)
    assert -1 - 1e-9 <= worst <= 1 + 1e-9 and worst == pytest.approx(worst_cosine(b, a))
    loud = a[np.abs(a).max(1) > 1e-3]
    if len(loud):
        assert worst_cosine(loud, loud * scale) == pytest.approx(1)


RNG = np.random.default_rng(0)
TABLE = RNG.gamma(1.0, size=(12, 40)).astype(np.float32)


def test_the_same_features_give_the_same_probabilities() -> None:
    assert probability_difference(TABLE, TABLE) == 0
    assert probability_difference(TABLE, TABLE.astype(np.float64)) == 0


def test_the_difference_grows_with_the_noise_and_float32_is_far_below_16_bits() -> None:
    noise = RNG.normal(size=TABLE.shape)
    found = [probability_difference(TABLE, TABLE * (1 + size * noise)) for size in (1e-6, 1e-4, 4e-3, 0.3)]
    assert found == sorted(found) and found[0] < 1e-4 and found[2] < 0.05 and found[3] > 0.05


def test_what_hardly_differs_between_images_is_judged_by_that_difference() -> None:
    """A large common part hides an error from the cosine, but not from a head, which standardises."""
    flat = 1000 + TABLE
    wrong = flat + RNG.normal(size=TABLE.shape) * 0.2
    assert worst_cosine(flat, wrong) > 0.999999 and probability_difference(flat, wrong) > 1e-2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_do_not_agree(value: float) -> None:
    broken = TABLE.copy()
    broken[3, 3] = value
    assert probability_difference(TABLE, broken) == 1 and probability_difference(broken, TABLE) == 1


def test_images_that_are_all_alike_still_show_a_difference() -> None:
    alike = np.ones((4, 3), np.float32)
    assert probability_difference(alike, alike) == 0 and probability_difference(alike, alike * [1, 2, 3]) > 0.01
    assert probability_difference(0 * alike, 0 * alike) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100), st.integers(1, 6), st.integers(1, 30))
def test_it_is_a_share_and_does_not_depend_on_the_scale(seed: int, scale: float, images: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, images, width))
    found = probability_difference(a, b)
    assert 0 <= found <= 1
    if images > 1:  # of a single image there is no deviation to go by
        assert probability_difference(a * scale, b * scale) == pytest.approx(found, abs=1e-6)
