"""The Wilson interval of a share."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from transfer.evaluation.intervals import wilson

shares = st.integers(1, 10_000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


def test_the_example_of_newcombe_1998() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@settings(max_examples=100, deadline=None)
@given(shares)
def test_it_is_that_of_scipy(share: tuple[int, int]) -> None:
    successes, trials = share
    expected = binomtest(successes, trials).proportion_ci(0.95, "wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_nothing_is_known_where_nothing_was_tried() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@settings(max_examples=200, deadline=None)
@given(shares)
def test_it_contains_the_share_and_lies_within_0_and_1(share: tuple[int, int]) -> None:
    successes, trials = share
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1 and low < high


@settings(max_examples=100, deadline=None)
@given(shares)
def test_failures_mirror_successes(share: tuple[int, int]) -> None:
    successes, trials = share
    low, high = wilson(successes, trials)
    assert wilson(trials - successes, trials) == pytest.approx((1 - high, 1 - low))


@settings(max_examples=100, deadline=None)
@given(shares)
def test_more_trials_make_it_narrower_and_more_confidence_wider(share: tuple[int, int]) -> None:
    successes, trials = share
    low, high = wilson(successes, trials)
    narrow, wide = wilson(4 * successes, 4 * trials), wilson(successes, trials, z=2.576)
    assert narrow[1] - narrow[0] < high - low < wide[1] - wide[0]
