"""Locks on a file: one process at a time; whoever comes second is told who has it, or waits."""

import os
import threading
from pathlib import Path

import pytest

from transfer.system.locks import alone, holding, is_held, taken_by_another


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


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_lock_is_held_until_the_block_ends_and_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "path"
    path.mkdir() if kind == "folder" else path.touch()
    assert not is_held(path)
    with holding(path):
        assert is_held(path)
        with pytest.raises(BlockingIOError), holding(path):
            raise AssertionError
    assert not is_held(path)


def test_what_is_not_there_is_not_held(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "absent")
    with pytest.raises(FileNotFoundError), holding(tmp_path / "absent"):
        raise AssertionError


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with holding(tmp_path):
        assert not is_held(tmp_path / "link")
