"""Tables are plain text that is whole and aligned, whatever the cells and the environment are."""

import pytest
from rich.cells import cell_len

from transfer.reports.terminal import table


def test_columns_are_aligned_by_what_a_terminal_shows() -> None:
    lines = table(["class", "images"], [["cat", "1"], ["\u732b", "22,000"]])
    assert lines == ["class  images", "cat         1", "\u732b     22,000"]
    assert len({cell_len(line) for line in lines}) == 1


def test_cells_are_shown_as_they_are() -> None:
    assert table(["", ""], [["[b]x[/b]", ":smile:"]], left=(0, 1), indent=2) == ["  [b]x[/b]  :smile:"]


def test_long_cells_are_neither_cut_nor_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    path = "a folder/" * 300
    assert table(["path", "score"], [[path, "0.5"]])[1] == f"{path}    0.5"


def test_a_table_may_have_no_rows() -> None:
    assert table(["", ""], []) == []
    assert table(["class", "images"], []) == ["class  images"]
