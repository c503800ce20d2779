"""Sequences that are made in parts are the lists that they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.system.sequences import Made, taken

places = st.one_of(st.none(), st.integers(-30, 30))


def squares(count: int) -> Made[int]:
    return Made(count, lambda numbers: [int(number) ** 2 for number in numbers])


@given(st.integers(0, 20), places, places, places.filter(bool))
def test_any_part_is_that_of_the_list(count: int, start: int | None, stop: int | None, step: int) -> None:
    whole = [number**2 for number in range(count)]
    assert list(squares(count)) == whole and len(squares(count)) == count
    assert squares(count)[start:stop:step] == whole[start:stop:step]


@given(st.lists(st.integers(0, 19)))
def test_items_are_taken_by_number_from_any_sequence(numbers: list[int]) -> None:
    whole = [number**2 for number in range(20)]
    assert taken(squares(20), np.array(numbers, int)) == taken(whole, np.array(numbers, int)) == [whole[number] for number in numbers]


def test_a_long_sequence_is_gone_through_whole() -> None:
    assert list(squares(5000)) == [number**2 for number in range(5000)]


@pytest.mark.parametrize("place", [5, -6])
def test_a_place_beyond_the_end_is_an_error(place: int) -> None:
    with pytest.raises(IndexError):
        squares(5)[place]
    assert (squares(5)[4], squares(5)[-5]) == (16, 0)
