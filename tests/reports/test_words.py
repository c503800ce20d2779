"""Counts, lists and shares as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.reports.words import percent, share


@pytest.mark.parametrize(
    ("value", "in_decimals", "in_percent"),
    [
        (0.7031, "0.703", "70.3 %"), (0.5, "0.500", "50.0 %"), (0.99, "0.990", "99.0 %"), (0.9965, "0.9965", "99.65 %"),
        (0.997, "0.9970", "99.70 %"), (0.9995, "0.99950", "99.950 %"), (0.0035, "0.0035", "0.35 %"), (0, "0.000", "0.0 %"),
        (1, "1.000", "100.0 %"),
    ],
)  # fmt: skip
def test_shares_close_to_0_or_1_have_more_digits(value: float, in_decimals: str, in_percent: str) -> None:
    assert (share(value), percent(value)) == (in_decimals, in_percent)


@given(st.integers(1, 10_000).flatmap(lambda images: st.tuples(st.integers(0, images), st.just(images))))
def test_only_a_whole_is_written_as_one(counts: tuple[int, int]) -> None:
    right, images = counts
    assert (float(share(right / images)) == 1) == (right == images)
    assert (percent(right / images) == "100.0 %") == (right == images)
    assert float(share(right / images)) == pytest.approx(right / images, abs=6e-4)
