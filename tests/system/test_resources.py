"""Work is spread over threads in a way that nobody can see in its results."""

import threading

import pytest

from transfer.system.resources import cores, spread


def test_results_come_in_the_order_of_the_items() -> None:
    assert spread(lambda item: item * item, range(200)) == [item * item for item in range(200)]


def test_an_error_of_one_item_is_raised() -> None:
    def work(item: int) -> int:
        if item == 7:
            raise ValueError("seven")
        return item

    with pytest.raises(ValueError, match="seven"):
        spread(work, range(20))


def test_no_more_threads_than_cores_are_used() -> None:
    seen: set[int] = set()
    spread(lambda _: seen.add(threading.get_ident()), range(100))
    assert 1 <= len(seen) <= cores()
