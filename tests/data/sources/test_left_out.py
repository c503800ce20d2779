"""Patterns of `data.exclude`, and names of what systems and programs leave."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.data.scan import Found
from transfer.data.sources.left_out import by_name, excluding, without


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("docs", ["docs", "docs/", "docs/a/b.png", "cats/docs/a.png"], ["docs2/a.png", "cats/docs.png", "Docs/a.png"]),
        ("docs/", ["docs/a.png", "cats/docs/a.png"], ["docs2/a.png"]),
        ("/docs", ["docs/a.png"], ["cats/docs/a.png"]),
        ("./docs", ["docs/a.png"], ["cats/docs/a.png"]),
        ("**/docs", ["docs/a.png", "cats/docs/a.png"], ["cats/a.png"]),
        ("*.gif", ["a.gif", "cats/b.gif"], ["a.gif.png"]),
        ("cats/old", ["cats/old/a/b.png", "cats/old"], ["x/cats/old/a.png", "cats/older/a.png"]),
        ("cats/*.gif", ["cats/a.gif", "cats/deep/a.gif"], ["dogs/a.gif"]),
        ("a[[]1]", ["a[1]/b.png"], ["a1/b.png"]),
        ("?", ["a/b.png"], ["ab/cd.png"]),
        (unicodedata.normalize("NFC", "caf\u00e9"), [unicodedata.normalize("NFD", "caf\u00e9") + "/a.png"], ["cafe/a.png"]),
    ],
)
def test_a_pattern_is_a_name_anywhere_or_a_path_from_the_data_folder(pattern: str, yes: list[str], no: list[str]) -> None:
    excluded = excluding(["nothing", pattern])
    assert [excluded(path) for path in yes] == [pattern] * len(yes)
    assert [excluded(path) for path in no] == [""] * len(no)


PATH = st.lists(st.text(st.sampled_from("abé*[]?. "), min_size=1, max_size=4), min_size=1, max_size=4).map("/".join)


@given(PATH, PATH)
def test_a_folder_takes_all_that_is_in_it_and_its_own_name_escaped_is_a_pattern(folder: str, path: str) -> None:
    from glob import escape

    excluded = excluding([f"/{escape(folder)}"])
    assert excluded(f"{folder}/{path}") and excluded(folder)


def test_files_that_are_excluded_lose_their_class_and_others_stay_as_they_are() -> None:
    found = [Found("a/1", "a", "train", "", "g"), Found("b/1", "b", "train"), Found("b/2", "", "", "hidden file")]
    assert without(found, ["b"]) == [found[0], Found("b/1", "", "", "excluded by data.exclude: b"), found[2]]
    assert without(found, []) == found


@pytest.mark.parametrize(
    ("name", "is_folder", "reason"),
    [
        ("@EADIR", True, "system folder: @EADIR, thumbnails of a Synology disk"),
        ("@eaDir", False, ""),
        (".ipynb_checkpoints", True, "system folder: .ipynb_checkpoints, copies made by Jupyter"),
        (".git", True, "hidden folder"),
        ("._a.png", False, "hidden file"),
        ("Thumbs.db", False, "system file"),
        ("Icon\r", False, "system file"),
        ("thumbs.db", True, ""),
        ("recycler", True, ""),
        ("docs", True, ""),
    ],
)
def test_names_say_what_is_no_data(name: str, is_folder: bool, reason: str) -> None:
    assert by_name(name, is_folder) == reason
