"""Tables of paths: what they list, and one clear line for each row that cannot be used."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.data.scan import Found
from transfer.data.sources.tables.listing import listing, require
from transfer.errors import DataError
from transfer.workflows.settings import with_source


def files(folder: Path, *paths: str) -> Path:
    """Write files of a few bytes; a table looks at none of them."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
    return folder


def table(folder: Path, text: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def listed(folder: Path, text: str | bytes, name: str = "data.csv", **more: object) -> list[tuple[str, str, str, str]]:
    found = listing(table(folder, text, name), **more)[0]  # type: ignore[arg-type]
    return [(item.path, item.label, item.split, item.reason) for item in found]


def error(folder: Path, text: str | bytes, name: str = "data.csv", **more: object) -> str:
    with pytest.raises(DataError) as caught:
        listed(folder, text, name, **more)
    assert "\n" not in str(caught.value)
    assert "Received" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "path,label\na.png,x\nb.png,y\n"),
        ("t.csv", "path;label\r\na.png;x\r\nb.png;y\r\n"),
        ("t.csv", "path\tlabel\na.png\tx\nb.png\ty"),
        ("t.tsv", "label\tpath\nx\ta.png\ny\tb.png\n"),
        ("t.csv", '"path";"label"\n"a.png";"x"\n"b.png";"y"\n'),
        ("t.csv", "path, label\na.png, x\nb.png, y\n"),
        ("t.CSV", "Path , LABEL,size\na.png,x,\nb.png,y,1\n"),
        ("t.csv", "\ufeffpath,label\nb.png,y\na.png,x\n"),
        ("t.csv", "path,label\n\na.png,x\n,\nb.png,y\n\n"),
        ("t.csv", "path,label\n./a.png,x\nc/../b.png,y\n"),
    ],
    ids=["comma", "semicolon", "tab", "tsv", "quoted", "blanks", "capitals", "mark", "empty rows", "dots"],
)
def test_tables_are_read_as_spreadsheets_write_them(tmp_path: Path, name: str, text: str) -> None:
    files(tmp_path, "a.png", "b.png")
    assert listed(tmp_path, text, name) == [("a.png", "x", "", ""), ("b.png", "y", "", "")]


@pytest.mark.parametrize("label", ["01", "NA", "null", "1e5", "True", " x", "a,b", 'a"b', "a\nb", "a\rb", "ü", "'x", "#1"])
def test_a_label_stays_the_text_that_it_is(tmp_path: Path, label: str) -> None:
    files(tmp_path, "a.png")
    quoted = label.replace('"', '""')
    assert listed(tmp_path, f'path,label\na.png,"{quoted}"\n')[0][1] == label


def test_paths_start_in_the_folder_of_the_table_or_in_root(tmp_path: Path) -> None:
    files(tmp_path / "images", "a.png")
    assert listing(table(tmp_path, "path,label\nimages/a.png,x\n"))[2] == tmp_path
    found, _, root = listing(table(tmp_path, "path,label\na.png,x\n"), os.fspath(tmp_path / "images"))
    assert (found, root) == ([Found("a.png", "x", "")], tmp_path / "images")


def test_a_root_that_was_given_relative_is_kept_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(files(tmp_path, "images/a.png"), "path,label\na.png,x\n")
    monkeypatch.chdir(tmp_path)
    kept = with_source("data.csv", [{"data.root": "images"}]).data
    assert (kept.source, kept.root) == (os.fspath(tmp_path / "data.csv"), os.fspath(tmp_path / "images"))


def test_the_folder_of_a_table_that_is_a_link_is_that_of_the_link(tmp_path: Path) -> None:
    files(tmp_path, "a.png")
    (tmp_path / "link.csv").symlink_to(table(tmp_path / "elsewhere", "path,label\na.png,x\n"))
    assert listing(tmp_path / "link.csv")[0] == [Found("a.png", "x", "")]


def test_an_absolute_path_inside_the_root_is_made_relative(tmp_path: Path) -> None:
    files(tmp_path / "real", "a.png", "b.png")
    (tmp_path / "link").symlink_to("real")
    text = f"path,label\n{tmp_path}/real/a.png,x\n{tmp_path}/link/./b.png,y\n"
    assert [row[0] for row in listed(tmp_path, text, root=os.fspath(tmp_path / "link"))] == ["a.png", "b.png"]


def test_backslashes_separate_folders_where_the_file_is_only_found_so(tmp_path: Path) -> None:
    files(tmp_path, "a/b.png", "c\\d.png", "c/d.png")
    assert [row[0] for row in listed(tmp_path, "path,label\na\\b.png,x\nc\\d.png,x\n")] == ["a/b.png", "c\\d.png"]


def test_a_link_inside_the_root_may_lead_out_of_it(tmp_path: Path) -> None:
    files(tmp_path, "elsewhere/a.png", "root/b.png")
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "elsewhere")
    assert [row[0] for row in listed(tmp_path, "path,label\nlinked/a.png,x\n", root=os.fspath(tmp_path / "root"))] == ["linked/a.png"]


def test_splits_have_the_names_that_people_give_them(tmp_path: Path) -> None:
    names = ["train", "Training", "val", "valid", " validation ", "TEST", "testing", ""]
    files(tmp_path, *(f"{number}.png" for number in range(len(names))))
    text = "path,label,split\n" + "".join(f"{number}.png,x,{name}\n" for number, name in enumerate(names))
    found, ready_made, _ = listing(table(tmp_path, text))
    assert [item.split for item in found] == [*["train"] * 2, *["validation"] * 3, *["test"] * 2, ""]
    assert ready_made


@pytest.mark.parametrize("text", ["path,label\na.png,x\n", "path,label,split\na.png,x,\n", "path,label,split,exclude\na.png,x,test,1\n"])
def test_a_table_whose_used_rows_name_no_split_is_not_ready_made(tmp_path: Path, text: str) -> None:
    assert not listing(table(files(tmp_path, "a.png"), text))[1]


def test_groups_come_from_the_column_that_is_asked_for(tmp_path: Path) -> None:
    path = table(files(tmp_path, "a.png"), "path,label,plant\na.png,x,007\n")
    assert [listing(path, group=name)[0][0].group for name in ("plant", None)] == ["007", ""]


@pytest.mark.parametrize("word", ["yes", "TRUE", "1", "x", " X ", "y"])
def test_excluded_rows_are_skipped_and_need_neither_label_nor_file(tmp_path: Path, word: str) -> None:
    files(tmp_path, "a.png")
    rows = listed(tmp_path, f"path,label,split,exclude\na.png,x,,no\nb.png,,no split,{word}\n")
    assert rows == [("a.png", "x", "", ""), ("b.png", "", "", "excluded in data.csv")]


@pytest.mark.parametrize("word", ["", "no", "False", "0", "N", " "])
def test_rows_are_not_excluded_by_a_word_that_says_no(tmp_path: Path, word: str) -> None:
    assert listed(files(tmp_path, "a.png"), f"path,label,exclude\na.png,x,{word}\n")[0][3] == ""


def test_a_class_of_excluded_rows_only_is_no_class(tmp_path: Path) -> None:
    files(tmp_path, "a.png", "b.png", "c.png")
    rows = listed(tmp_path, "path,label,exclude\na.png,x,\nb.png,x,yes\nc.png,y,yes\n")
    assert [row[1] for row in rows] == ["x", "x", ""]


def test_missing_files_can_be_passed_over(tmp_path: Path) -> None:
    text = "path,label,split\ngone.png,x,train\nhere.png,x,\n"
    rows = listed(files(tmp_path, "here.png"), text, missing_files="skip")
    assert rows == [("gone.png", "x", "", "missing file"), ("here.png", "x", "", "")]


PATHS = st.text(st.sampled_from("ab=+-@'\\ ."), min_size=1, max_size=6).filter(lambda name: name not in (".", ".."))


@given(st.lists(PATHS, min_size=1, max_size=8, unique=True))
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_rows_does_not_matter(tmp_path_factory: pytest.TempPathFactory, names: Sequence[str]) -> None:
    folder = files(tmp_path_factory.mktemp("data"), *names)
    one = listed(folder, "path,label\n" + "".join(f"{name},x\n" for name in names))
    other = listed(folder, "path,label\n" + "".join(f"{name},x\n" for name in reversed(names)))
    assert one == other
    assert {row[0] for row in one} == set(names)


def test_what_is_wrong_with_the_columns_is_seen_before_any_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Missing: path\. Did you mean 'paths' for 'path'\? Received 'paths', 'label' in"):
        require(table(tmp_path, "paths,label\na.png,x\n"), None)


@pytest.mark.parametrize("root", ["missing", "data.csv"])
def test_a_root_that_is_no_folder_is_refused(tmp_path: Path, root: str) -> None:
    with pytest.raises(DataError, match=r"existing folder \(data.root\)"):
        require(table(tmp_path, "path,label\na.png,x\n"), os.fspath(tmp_path / root))


NFC, NFD = (unicodedata.normalize(form, "\u00e9") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("folder", [NFC, NFD, "plain"])
@pytest.mark.parametrize("name", [NFC, NFD])
@pytest.mark.parametrize("given_folder", [NFC, NFD])
@pytest.mark.parametrize("given_name", [NFC, NFD])
def test_a_path_finds_its_file_however_its_accents_are_encoded(
    tmp_path: Path, folder: str, name: str, given_folder: str, given_name: str
) -> None:
    path = f"{folder}/sub/{name}.png"
    files(tmp_path, path, "b.png")
    given = f"{folder if folder == 'plain' else given_folder}\\sub/{given_name}.png"
    for text in (given, given.replace("\\", "/"), f"{tmp_path}/{given}".replace("\\", "/")):
        assert listed(tmp_path, f"path,label\n{text},x\nb.png,y\n") == [("b.png", "y", "", ""), (path, "x", "", "")]


def test_of_two_files_the_one_that_is_written_exactly_so_is_taken(tmp_path: Path) -> None:
    files(tmp_path, f"{NFC}.png", f"{NFD}.png")
    assert [row[:2] for row in listed(tmp_path, f"path,label\n{NFC}.png,x\n{NFD}.png,y\n")] == [(f"{NFD}.png", "y"), (f"{NFC}.png", "x")]
    assert "listed already, in row 2" in error(files(tmp_path / "one", f"{NFC}.png"), f"path,label\n{NFC}.png,x\n{NFD}.png,x\n")


def test_a_missing_file_with_accents_is_missing(tmp_path: Path) -> None:
    assert "does not exist" in error(files(tmp_path, f"{NFC}/b.png"), f"path,label\n{NFD}/a{NFD}.png,x\n")
    assert listed(tmp_path, f"path,label\n{NFD}/a.png,x\n", missing_files="skip")[0][3] == "missing file"


def test_patterns_take_rows_out_as_the_column_does(tmp_path: Path) -> None:
    files(tmp_path, "cats/a.png", "cats/a_mask.png", "old/b.png")
    text = "path,label,split\ncats/a.png,cats,train\ncats/a_mask.png,cats,train\nold/b.png,Cats,\ngone/c.png,,what\n"
    assert listed(tmp_path, text, exclude=["*_mask.png", "old", "gone/*"]) == [
        ("cats/a.png", "cats", "train", ""),
        ("cats/a_mask.png", "cats", "", "excluded by data.exclude: *_mask.png"),
        ("gone/c.png", "", "", "excluded by data.exclude: gone/*"),
        ("old/b.png", "", "", "excluded by data.exclude: old"),
    ]


@pytest.mark.parametrize(("word", "split"), [("Training set", "train"), ("dev", "validation"), ("eval", "validation"), ("test_2", "test")])
def test_splits_may_have_the_names_that_folders_may_have(tmp_path: Path, word: str, split: str) -> None:
    assert listed(files(tmp_path, "a.png"), f"path,label,split\na.png,x,{word}\n")[0][2] == split
