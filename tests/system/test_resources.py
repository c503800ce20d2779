"""Work is spread over threads in a way that nobody can see in its results."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from transfer.system.resources import ahead, cores, spread, threads

ROOT = Path(__file__).resolve().parents[2]


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


def test_work_ahead_keeps_the_order_and_its_distance() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.001 * (number % 3))
        return number * number

    for done, result in enumerate(ahead(work, range(40), 3, 5)):
        assert result == done * done
        assert len(begun) <= done + 5
    assert sorted(begun) == list(range(40))


def test_the_first_failure_is_raised_in_its_place_and_the_rest_is_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return 1 // (3 - number)

    results = ahead(work, range(1000), 2, 6)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(begun) < 12


ON_ONE_CORE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from transfer.system import environment
print(environment.describe("tensorflow", "float32", None)["threads"])
"""


def test_the_environment_tells_how_many_threads_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, variable in (("intra_op", "TF_NUM_INTRAOP_THREADS"), ("inter_op", "TF_NUM_INTEROP_THREADS")):
        for value, expected in (("7", 7), ("0", cores()), ("", cores()), ("many", cores())):
            monkeypatch.setenv(variable, value)
            assert threads()[name] == expected
        monkeypatch.delenv(variable)
    assert threads()["linear_algebra"] >= 1
    done = subprocess.run([sys.executable, "-c", ON_ONE_CORE], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "{'intra_op': 1, 'inter_op': 1, 'linear_algebra': 1}\n"
