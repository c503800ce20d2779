"""Locks on a file: one process at a time; whoever comes second is told who has it, or waits."""

import os
import threading
from pathlib import Path

import pytest

from transfer.system.files import alone, taken_by_another


def test_the_second_is_told_who_has_it_until_the_first_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("a+") as first:
        assert taken_by_another(first) == ""
        with path.open("a+") as second:
            assert taken_by_another(second) == f"number {os.getpid()}"
    with path.open("a+") as third:
        assert taken_by_another(third) == ""


def test_what_stood_in_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("something else, much longer than a number")
    with path.open("a+") as file:
        taken_by_another(file)
    assert path.read_text() == str(os.getpid())


def test_a_lock_without_a_number_is_still_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("a+") as first, path.open("a+") as second:
        taken_by_another(first)
        path.write_text("")
        assert taken_by_another(second) == "unknown number"


def test_the_second_waits_until_the_first_is_done_or_has_failed(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with alone(tmp_path / "new folder" / "lock"):
            order.append("second")

    thread = threading.Thread(target=second)
    with pytest.raises(ValueError, match="an error"), alone(tmp_path / "new folder" / "lock"):
        thread.start()
        thread.join(0.1)
        order.append("first")
        raise ValueError("an error")
    thread.join(10)
    assert order == ["first", "second"]
