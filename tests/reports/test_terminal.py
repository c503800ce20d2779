"""Tables are plain text that is whole and aligned, whatever the cells and the environment are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from transfer.reports.terminal import columns, fitted, table, wrapped


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


WORDS = st.lists(st.text("ab\u732b-/", min_size=1, max_size=30), min_size=1, max_size=40)


@given(WORDS, st.integers(20, 100))
def test_lines_are_broken_between_words_and_are_no_longer_than_the_terminal(words: list[str], width: int) -> None:
    lines = wrapped("  ".join(words), width, "Label   ", " " * 8)
    assert lines[0].startswith("Label   ") and all(line.startswith(" " * 8) for line in lines[1:])
    assert [word for line in lines for word in line[8:].split(" ")] == words
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        assert cell_len(line) <= width or " " not in line[8:]
        assert following is None or cell_len(line) + 1 + cell_len(following[8:].split(" ")[0]) > width


@pytest.mark.parametrize(("terminal", "expected"), [("40", 60), ("80", 80), ("100", 100), ("250", 100)])
def test_texts_are_as_wide_as_the_terminal_within_limits(monkeypatch: pytest.MonkeyPatch, terminal: str, expected: int) -> None:
    monkeypatch.setenv("COLUMNS", terminal)
    assert columns() == expected


def test_a_table_that_is_too_wide_is_in_pieces_with_the_first_column(monkeypatch: pytest.MonkeyPatch) -> None:
    head, rows = ["name", *(f"column {n}" for n in range(8))], [[f"row {n}", *(f"{n}.{m}" for m in range(8))] for n in range(3)]
    assert fitted(head, rows, width=200) == table(head, rows)
    narrow = fitted(head, rows, width=40)
    assert max(map(cell_len, narrow)) <= 40
    pieces = "\n".join(narrow).split("\n\n")
    assert len(pieces) == 3 and all(
        [line.split("  ")[0] for line in piece.splitlines()] == ["name", "row 0", "row 1", "row 2"] for piece in pieces
    )
    assert [cell for piece in pieces for cell in piece.splitlines()[1].split()[2:]] == [f"0.{m}" for m in range(8)]
    assert fitted(["name", "one wide column"], [["x", "y" * 90]], width=40) == table(["name", "one wide column"], [["x", "y" * 90]])
    monkeypatch.setenv("COLUMNS", "40")
    assert fitted(head, rows) == narrow
