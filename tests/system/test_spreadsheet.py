"""Any text survives a table, and no cell of it is one that a spreadsheet would run."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.system.files import write_text
from transfer.system.spreadsheet import cell, path_cell, path_text, read_csv, text, to_csv, unescaped

RUN = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula."""

SPOILED = [
    "=1+1",
    "'=1+1",
    "''=1",
    "'",
    "''x",
    "-0.5",
    "+49",
    "@a",
    "＝1",
    "－1",
    "\tx",
    "\rx",
    "\n=x",
    "NA",
    "01",
    "a\rb",
    'a",=b',
    "./=x",
    "././-x",
]
NAMES = st.one_of(
    st.sampled_from(SPOILED),
    st.binary(max_size=12).map(lambda name: name.replace(b"\0", b"").decode("utf-8", "surrogateescape")),
    st.text(st.sampled_from("'=+-@＝./\t\r\n\\udce9 ,;\"1a"), max_size=8),
)


@given(NAMES)
def test_any_text_comes_back_from_a_cell_that_nobody_runs(value: str) -> None:
    assert text(cell(value)) == value and path_text(path_cell(value)) == value
    assert not cell(value).startswith(RUN) and not path_cell(value).startswith(RUN)
    assert unescaped(path_cell(value)).removeprefix("./").lstrip("./") == value.lstrip("./"), "it is still a path to the same file"


@given(st.lists(st.tuples(NAMES, NAMES, st.floats(allow_nan=True)), min_size=1, max_size=4), st.lists(NAMES, max_size=2, unique=True))
@settings(max_examples=100, deadline=None)
def test_a_table_survives_writing_and_reading(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, float]], more: list[str]
) -> None:
    file = tmp_path_factory.mktemp("tables") / "t.csv"
    figures = [name for name in more if name not in ("path", "label", "score")]
    columns = [
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        *([-0.5 - place] * len(rows) for place in range(len(figures))),
    ]
    table = pd.DataFrame(dict(enumerate(columns)), dtype=object).astype(dict.fromkeys(range(2, len(columns)), float))
    table.columns = pd.Index(["path", "label", "score", *figures], dtype=object)
    write_text(file, to_csv(table))
    back = read_csv(file, ("path", "label"))
    pd.testing.assert_frame_equal(back, table, check_dtype=False, check_column_type=False, rtol=1e-15)
    with file.open(encoding="utf-8", newline="") as opened:
        head, *written = csv.reader(opened)
    assert len(written) == len(rows)
    for row in [head, *(row[:2] for row in written)]:
        assert not any(value.startswith(RUN) for value in row)
    assert all(float(row[3]) == -0.5 for row in written if figures)


def test_numbers_stay_numbers_and_texts_that_look_like_them_stay_texts(tmp_path: Path) -> None:
    table = pd.DataFrame({"label": ["-0.5", "1"], "score": [-0.5, float("nan")], "count": [-1, 2], "chosen": [True, False]})
    write_text(tmp_path / "t.csv", to_csv(table))
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == "label,score,count,chosen\n'-0.5,-0.5,-1,True\n1,,2,False\n"
    back = read_csv(tmp_path / "t.csv", ("label",))
    assert list(back["label"]) == ["-0.5", "1"] and [str(kind) for kind in back.dtypes[1:]] == ["float64", "int64", "bool"]


def test_all_columns_can_be_text_and_be_empty(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["=a/1.png", ""], "-run": ["01", "+b"]}, dtype=object)
    write_text(tmp_path / "t.csv", to_csv(table))
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == "path,'-run\n./=a/1.png,01\n,'+b\n"
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv", None), table, check_dtype=False, check_column_type=False)
    write_text(tmp_path / "t.csv", to_csv(table[:0]))
    assert list(read_csv(tmp_path / "t.csv", None)) == ["path", "-run"]
    write_text(tmp_path / "t.csv", to_csv(pd.DataFrame({"label": ["", "x"]})))
    assert list(read_csv(tmp_path / "t.csv", ("label",))["label"]) == ["", "x"]


def test_tables_of_earlier_versions_hold_bytes_that_are_no_unicode(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"path,label\ncaf\xe9.png,caf\xe9\n")
    assert read_csv(tmp_path / "t.csv", ("path", "label")).to_numpy().tolist() == [["caf\udce9.png", "caf\udce9"]]
