"""Tables that cannot be used: one line that names the rule, the row, and how many others there are."""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.sources.tables.test_table import error, files, listed, table
from transfer.config import DataConfig
from transfer.data import scan, sources
from transfer.data.sources.tables.listing import listing
from transfer.errors import DataError
from transfer.system.progress import Silent


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a.png,x\ngone.png,x\nlost.png,x\n", "Row 3 .* the file does not exist .* holds for 1 other row. Paths start in .*'gone.png'"),
        ("a.png,x\n,x\n", "Row 3 .*: the path is empty"),
        ("a.png,\nb.png,\na/c.png, \n", "Row 2 .*: the label is empty. The same holds for 2 other rows. Received 'a.png'"),
        ("a.png,x\n../a.png,x\n", "Row 3 .* leads out of the folder where paths start.* Received '../a.png'"),
        ("a/../../a.png,x\n", "Row 2 .* leads out of"),
        ("/etc/passwd,x\n", "Row 2 .* leads out of .* Received '/etc/passwd'"),
        ("..\\a.png,x\n", "Row 2 .* leads out of"),
        ("a.png,x\nb.png,x\na/../a.png,x\n", "Row 4 .*: the file is listed already, in row 2. Received 'a/../a.png'"),
        ("a.png,x\na.png,y\na.png,x\n", "Row 3 .* listed already, in row 2. The same holds for 1 other row"),
        ("a.png,x\na,x\n", "Row 3 .* is a folder, not an image. Received 'a'"),
        ("a.png,Cats\n\nb.png,cats\n", "only by case or white space.* Received 'Cats' in row 2 and 'cats' in row 4"),
        ("a.png,ice cream\nb.png,icecream \na/c.png,Icecream\n", "'ice cream' in row 2 and 'icecream ' in row 3 .* So do 1 other pairs"),
        ("a.png,caf\u00e9\nb.png,cafe\u0301\n", "write them the same way"),
        ("a.png,x\nb.png,x,y\n", "Row 3 of the table has 3 cells, its first row has 2"),
        ("a.png\n", "Row 2 of the table has 1 cell, its first row has 2"),
        ('a.png,x\nb.png,"x\n', "broken in row 3: a quotation mark opens a cell and nothing closes it"),
        ('a.png,"x"y\n', "broken in row 2: a quotation mark inside a cell is not doubled"),
        ('"a\nb.png",x\ngone.png,x\n', "Row 2 .* does not exist"),
        ("a.png,x\nb\0.png,x\n", "Row 3 .* the path holds a NUL byte"),
        ("a.png,x\0\n", "Row 2 .* a label or group holds a NUL byte"),
        (f"{'a' * 300}.png,x\n", "Row 2 .* does not exist"),
        ("a.png/b.png,x\n", "Row 2 .* does not exist"),
        ("", "no rows below the names of its columns"),
    ],
)
def test_a_bad_row_is_named_with_its_rule(tmp_path: Path, rows: str, expected: str) -> None:
    files(tmp_path, "a.png", "b.png", "a/c.png")
    with pytest.raises(DataError, match=expected):
        listed(tmp_path, "path,label\n" + rows)
    assert error(tmp_path, "path,label\n" + rows)


def test_words_that_are_no_split_or_no_exclusion_are_named(tmp_path: Path) -> None:
    files(tmp_path, "a.png", "b.png")
    assert "Row 3" in (text := error(tmp_path, "path,label,split\na.png,x,\nb.png,x,tset\n"))
    assert "a split is train, validation, test, or empty" in text
    assert "holds yes or nothing. Received 'perhaps'" in error(tmp_path, "path,label,exclude\na.png,x,perhaps\n")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("path,label\na.png,caf\u00e9\n".encode("latin-1"), "row 2 holds the byte 0xE9"),
        (("path,label\n" + '"a\nb",x\n' * 30000 + "a.png,\u00fc\n").encode("cp1252"), "row 30002 holds the byte 0xFC"),
        ("path,label\na.png,x\n".encode("utf-16"), "The table is UTF-16"),
        ("path,label\na.png,x\n".encode("utf-16-le"), "NUL bytes, as UTF-16 does"),
        (b"", "The table is empty"),
        (b"\n\n", "The table is empty"),
        (b"PK\x03\x04\x00\xff\xfe", "not UTF-8 text"),
        (b"path,label,label\na.png,x,y\n", "'label' more than once"),
        (b"a.png,x\nb.png,y\n", "holds the names of its columns, at least path and label. Missing: path, label"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    assert expected in error(files(tmp_path, "a.png"), content)


def _parquet(folder: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), folder / "data.parquet")
    return folder / "data.parquet"


def test_parquet_is_read_as_text_whatever_its_types(tmp_path: Path) -> None:
    files(tmp_path, "a.png", "b.png", "c.png")
    path = _parquet(
        tmp_path,
        path=pa.array(["c.png", "b.png", "a.png"]).dictionary_encode(),
        label=[1.0, 2.0, None],
        split=pa.array(["val", None, None]).dictionary_encode(),
        exclude=[False, None, True],
        group=[7, 8, 9],
        box=[[1, 2], [3], []],
    )
    found, ready_made, _ = listing(path, group="group")
    rows = [(item.path, item.label, item.split, item.reason, item.group) for item in found]
    assert rows == [("a.png", "", "", "excluded in data.parquet", "9"), ("b.png", "2", "", "", "8"), ("c.png", "1", "validation", "", "7")]
    assert ready_made


def test_a_parquet_file_may_have_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    path = _parquet(files(tmp_path, "a.png"), path=["a.png"], label=["x"])
    assert listing(path.rename(tmp_path / os.fsdecode(b"\xe9.parquet")))[0][0].path == "a.png"


def test_a_label_in_parquet_is_no_cell_of_a_spreadsheet(tmp_path: Path) -> None:
    files(tmp_path, "a.png")
    assert listing(_parquet(tmp_path, path=["a.png"], label=["'=x"]))[0][0].label == "'=x"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"path": ["a.png", "gone.png"], "label": ["x", "y"]}, "Row 3 .* does not exist"),
        ({"path": ["a.png"], "label": [[1]]}, "Column 'label' of the table holds list<.*Expected text or numbers"),
        ({"path": [b"a.png"], "label": ["x"]}, "Column 'path' of the table holds binary"),
        ({"file": ["a.png"], "label": ["x"]}, "Missing: path"),
        ({"path": pa.array([], pa.string()), "label": pa.array([], pa.string())}, "no rows"),
    ],
)
def test_bad_parquet_is_named(tmp_path: Path, columns: dict[str, object], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        listing(_parquet(files(tmp_path, "a.png"), **columns))


def test_broken_parquet_is_named(tmp_path: Path) -> None:
    files(tmp_path, "a.png")
    path = _parquet(tmp_path, path=["a.png"] * 5000, label=[str(number) for number in range(5000)])
    whole = path.read_bytes()
    for content in (b"", b"text", whole[:-1], whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :]):
        assert "not a complete Parquet file" in error(tmp_path, content, "data.parquet")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "The table does not exist"),
        (lambda path: path.symlink_to("nowhere"), "The table does not exist"),
        (lambda path: path.symlink_to(path.name), "cannot be read: Too many levels"),
        (lambda path: os.mkfifo(path), "A table is a file"),
    ],
    ids=["missing", "broken link", "link to itself", "pipe"],
)
def test_a_table_that_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None], expected: str) -> None:
    make(tmp_path / "data.csv")
    with pytest.raises(DataError, match=expected):
        listing(tmp_path / "data.csv")


def test_a_table_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = table(tmp_path, "path,label\n")
    monkeypatch.setattr(Path, "open", refuse)  # not by its permissions, which bind no administrator
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        listing(path)


def test_a_large_table_of_missing_files_is_one_line(tmp_path: Path) -> None:
    text = "path,label\n" + "".join(f"{number}.png,{number % 7}\n" for number in range(100_000))
    assert "The same holds for 99,999 other rows." in error(tmp_path, text)
    assert len(listed(tmp_path, text, missing_files="skip")) == 100_000


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_a_folder_may_be_called_like_a_table(tmp_path: Path, name: str) -> None:
    files(tmp_path / name, "cats/1.png")
    config = DataConfig(source=str(tmp_path / name))
    sources.require(config)
    assert list(sources.read(config, Silent()).table["path"]) == ["cats/1.png"]


@pytest.mark.parametrize("name", ["data.txt", "data", "data.xlsx"])
def test_another_file_is_refused_with_the_kinds_of_sources(tmp_path: Path, name: str) -> None:
    path = table(tmp_path, "path,label\n", name)
    expected = r"a table \(.csv, .tsv, .parquet\), a .zip or .tar, or tfds:NAME, not a file of another kind"
    with pytest.raises(DataError, match=expected) as caught:
        sources.require(DataConfig(source=str(path)))
    assert ("Save the spreadsheet as CSV" in str(caught.value)) == name.endswith("xlsx")


def test_what_can_be_seen_at_once_is_checked_without_reading_the_rows(tmp_path: Path) -> None:
    path = table(tmp_path, "path,label,plant\ngone.png,x,1\n")
    sources.require(DataConfig(source=str(path), group_by="plant"))
    for wrong in ({"group_by": "plants"}, {"root": str(tmp_path / "missing")}, {"source": str(tmp_path / "gone.csv")}):
        with pytest.raises(DataError):
            sources.require(DataConfig(**{"source": str(path), **wrong}))


def test_a_file_that_vanishes_after_it_was_listed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = scan.examined

    def late(root: Path, *more: object) -> pd.DataFrame:
        (tmp_path / "a.png").unlink()
        return really(root, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(scan, "examined", late)
    path = table(files(tmp_path, "a.png", "b.png"), "path,label,group\na.png,x,1\nb.png,x,1\n")
    manifest = sources.read(DataConfig(source=str(path)), Silent()).table
    assert [reason.split(":")[0] for reason in manifest["reason"]] == ["vanished while the folder was read", "not an image"]
    assert list(manifest["group"]) == ["1", "1"]
