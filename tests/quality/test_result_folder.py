"""The folder of a check: where it may be put, and that it is there whole or not at all."""

from pathlib import Path

import pytest

from transfer.errors import OutputError
from transfer.quality import result_folder as folder
from transfer.quality.findings import Findings


def earlier(path: Path) -> Path:
    """Write what looks like an earlier result."""
    path.mkdir(parents=True)
    Findings().write(path / folder.FINDINGS)
    (path / folder.REPORT).write_text("old")
    return path


def test_a_new_folder_and_an_earlier_result_are_accepted(tmp_path: Path) -> None:
    folder.require_free(tmp_path / "deep" / "new", [tmp_path / "data"])
    folder.require_free(earlier(tmp_path / "old"), [tmp_path / "data"])


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_anything_else_that_is_there_is_refused_and_kept(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "there"
    if kind == "folder":
        target.mkdir()
    elif kind == "file":
        target.touch()
    else:
        target.symlink_to(earlier(tmp_path / "elsewhere"))
    with pytest.raises(OutputError, match="an earlier result of transfer check"):
        folder.require_free(target, [])
    assert target.exists()


def test_nothing_is_put_into_the_data_folder_also_not_through_a_link(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to(data)
    for target in (data / "result", tmp_path / "link" / "result", data):
        with pytest.raises(OutputError, match="nothing is written"):
            folder.require_free(target, [data])


def test_a_result_replaces_the_earlier_one_as_a_whole(tmp_path: Path) -> None:
    target = earlier(tmp_path / "result")
    (target / "left over").touch()
    with folder.drafting(target) as draft:
        (draft / folder.REPORT).write_text("new")
    assert [path.name for path in target.iterdir()] == [folder.REPORT]
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_keeps_the_earlier_result_and_leaves_nothing(tmp_path: Path) -> None:
    target = earlier(tmp_path / "result")
    with pytest.raises(KeyboardInterrupt), folder.drafting(target) as draft:
        (draft / folder.REPORT).write_text("half")
        raise KeyboardInterrupt
    assert (target / folder.REPORT).read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
