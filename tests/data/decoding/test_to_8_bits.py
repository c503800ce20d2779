"""The rule by which samples of more than 8 bits become 8 bits, and how a value range is chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.data.decoding.to_8_bits import (
    DEEP_TYPES,
    Range,
    Spread,
    choose_range,
    levels,
    range_of,
    range_text,
    spread,
    to_8_bits,
    type_range,
    used_part,
)

NUMBERS = st.floats(-1e9, 1e9).map(lambda value: round(value, 3))
RANGES = st.tuples(NUMBERS, st.floats(1e-3, 1e9)).map(lambda pair: (pair[0], pair[0] + pair[1])).filter(lambda pair: pair[1] > pair[0])


@pytest.mark.parametrize("dtype", DEEP_TYPES)
def test_the_ends_of_a_type_are_black_and_white(dtype: str) -> None:
    low, high = type_range(dtype)
    assert to_8_bits(np.array([low, high]).astype(dtype), None).tolist() == [0, 255]


@pytest.mark.parametrize("dtype", DEEP_TYPES)
def test_the_ends_of_a_value_range_are_black_and_white_and_what_lies_outside_is_clipped(dtype: str) -> None:
    values = np.array([0, 10, 60, 110, 120]).astype(dtype)
    assert to_8_bits(values, (10.0, 110.0)).tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("value_range", [None, (0.0, 2.0)])
def test_numbers_that_are_none_are_black(value_range: Range | None) -> None:
    odd = np.array([np.nan, -np.inf, np.inf], np.float32)
    assert to_8_bits(odd, value_range).tolist() == [0, 0, 255]


@given(st.integers(0, 65535), RANGES)
def test_16_bits_and_wider_types_follow_the_same_rule(value: int, value_range: Range) -> None:
    results = {
        int(to_8_bits(np.array([value]).astype(dtype), value_range)[0]) for dtype in ("uint16", "uint32", "int32", "float32", "float64")
    }
    assert len(results) == 1


@given(RANGES)
def test_larger_values_are_never_darker(value_range: Range) -> None:
    assert (np.diff(levels(value_range).astype(int)) >= 0).all()
    assert (np.diff(levels(None).astype(int)) >= 0).all()


def test_8_bits_stay_as_they_are() -> None:
    assert to_8_bits(np.arange(256, dtype=np.uint8), (10.0, 20.0)).tolist() == list(range(256))


def test_many_samples_are_converted_as_few_are() -> None:
    samples = np.linspace(-5, 5, 3_000_000, dtype=np.float32).reshape(1000, 3000)
    some = to_8_bits(samples[::100, ::100], (-4.0, 4.0))
    assert (to_8_bits(samples, (-4.0, 4.0))[::100, ::100] == some).all()


@given(RANGES)
def test_the_text_of_a_range_reads_back_exactly(value_range: Range) -> None:
    assert range_of(range_text(value_range)) == value_range


def test_no_range_is_called_dtype() -> None:
    assert range_text(None) == "dtype" and range_of("dtype") is None and range_of("") is None


def test_a_spread_leaves_out_outliers_and_what_is_no_number() -> None:
    samples = np.full((100, 100), 50.0, np.float32)
    samples[:50] = 20
    samples[0, :3] = [1e9, np.nan, -np.inf]
    assert spread(samples) == Spread("float32", 20.0, 50.0)
    assert spread(np.full((2, 2), np.nan, np.float32)) is None


def test_a_spread_sees_all_columns_of_a_wide_image() -> None:
    samples = np.zeros((1024, 1024), np.uint16)
    samples[:, 1::2] = 1000
    found = spread(samples)
    assert found == Spread("uint16", 0.0, 1000.0)


@pytest.mark.parametrize(
    ("spreads", "expected"),
    [
        ([Spread("uint16", 0, 65535)], None),
        ([Spread("uint16", 900, 60000)], None),
        ([Spread("uint16", 0, 4095)], (0.0, 4096.0)),
        ([Spread("uint16", 1070, 1500)], (1056.0, 1504.0)),
        ([Spread("int16", -1024, 3071)], (-1024.0, 3072.0)),
        ([Spread("int16", 0, 32767)], (0.0, 32768.0)),
        ([Spread("int32", 0, 4095)], (0.0, 4096.0)),
        ([Spread("uint32", 3e9, 4.2e9)], (2952790016.0, 4227858432.0)),
        ([Spread("float32", 0, 1)], None),
        ([Spread("float32", 0, 255)], (0.0, 256.0)),
        ([Spread("float32", -0.5, 0.5)], (-0.5, 0.5)),
        ([Spread("float32", 0, 0.002)], (0.0, 17 / 2**13)),
        ([Spread("int8", -128, 127)], None),
        ([Spread("int8", -20, 20)], (-20.0, 20.0)),
        ([Spread("uint16", 500, 500)], None),
        ([Spread("uint16", 0, 65535), Spread("float32", 0, 1)], None),
    ],
)
def test_the_range_is_that_of_the_values_unless_they_use_most_of_their_type(spreads: list[Spread], expected: Range | None) -> None:
    assert choose_range(spreads) == expected


def test_an_odd_image_among_many_does_not_count() -> None:
    spreads = [Spread("uint16", 0, 4000)] * 99
    assert choose_range([*spreads, Spread("uint16", 0, 65535)]) == choose_range(spreads) == (0.0, 4096.0)


@given(st.lists(st.tuples(st.floats(0, 30000), st.floats(1, 2000)), min_size=1, max_size=30))
def test_a_chosen_range_holds_the_values_of_nearly_all_images(pairs: list[tuple[float, float]]) -> None:
    spreads = [Spread("uint16", low, low + width) for low, width in pairs]
    chosen = choose_range(spreads)
    if chosen is not None:
        inside = [chosen[0] <= one.low and one.high <= chosen[1] for one in spreads]
        assert sum(not fits for fits in inside) <= 2 * max(1, 0.02 * len(spreads) + 1)


def test_the_used_part_is_that_of_one_type() -> None:
    spreads = [Spread("uint16", 0, 6553.5), Spread("float32", 0.0, 0.5)]
    assert used_part(spreads, "uint16") == pytest.approx(0.1)
    assert used_part(spreads, "float32") == pytest.approx(0.5)
