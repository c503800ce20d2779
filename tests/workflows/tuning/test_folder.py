"""The folder of a search: one process at a time, and a journal that comes from the run where the search had ended."""

from pathlib import Path

import pytest

from transfer.errors import RunError
from transfer.runs import STUDY
from transfer.workflows.tuning import folder


def test_two_searches_of_one_name_are_refused_and_others_are_not(tmp_path: Path) -> None:
    with folder.locked(tmp_path, "one"):
        with pytest.raises(RunError, match="is searching under this name"), folder.locked(tmp_path, "one"):
            pass
        with folder.locked(tmp_path, "two") as place:
            folder.end(place)
    with folder.locked(tmp_path, "one") as place:
        folder.end(place)
    assert list(tmp_path.iterdir()) == []


def test_a_search_begins_with_the_journal_of_its_run_unless_it_has_a_newer_one(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / STUDY).write_text("old\n")
    with folder.locked(tmp_path, "run") as place:
        file = folder.begun(place, run, anew=False)
        assert file.read_text() == "old\n"
        file.write_text("newer\n")
        assert folder.begun(place, run, anew=False).read_text() == "newer\n"
        file.unlink()
        assert not folder.begun(place, run, anew=True).exists()
    assert (run / STUDY).read_text() == "old\n"
