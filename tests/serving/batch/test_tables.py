"""The table as CSV and Parquet: whatever names there are come back, and the bytes do not depend on how rows came."""

import csv
import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from transfer.evaluation.predictions import columns
from transfer.serving.batch import tables
from transfer.serving.batch.tables import FACTS, Rows
from transfer.system.spreadsheet import text, unescaped

ODD = ["a,b.png", 'quote".png', "line\nbreak.png", "return\rx.png", "=SUM(A1).png", "caf\udce9.png", "\\udce9.png", " ü \t.png", ""]
LABELS = ["=1+1", "caf\udce9", "path"]


def rows(count: int, labels: int = 3) -> Rows:
    generator = np.random.default_rng(0)
    probabilities = generator.random((count, labels), np.float32)
    errors = ["damaged" if number % 5 == 4 else "" for number in range(count)]
    bad = np.array([bool(error) for error in errors])
    probabilities[bad] = np.nan
    scores = np.where(bad, np.nan, generator.random(count, np.float32))
    return Rows(errors, probabilities, scores, ~bad & (np.arange(count) % 2 == 0), np.zeros(count, "V16"))


def write(file: Path, table: pd.DataFrame, parts: list[int]) -> bytes:
    with tables.writing(file, file.suffix) as add:
        for start, end in zip([0, *parts], [*parts, len(table)], strict=True):
            add(table.iloc[start:end].reset_index(drop=True))
    return file.read_bytes()


def test_any_name_comes_back_from_a_csv(tmp_path: Path) -> None:
    table = rows(len(ODD)).table(ODD, LABELS)
    write(tmp_path / "x.csv", table, [])
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        head, *read = csv.reader(file)
    assert [text(name) for name in head] == [*FACTS, "=1+1", "caf\udce9", "class path"]
    assert [unescaped(row[0]).removeprefix("./") for row in read] == ODD
    assert [text(row[1]) for row in read] == list(table["label"])
    assert not any(cell[:1] in ("=", "+", "-", "@") for row in [head, *read] for cell in row)
    assert list(pd.read_csv(tmp_path / "x.csv", keep_default_na=False)["path"]) == [row[0] for row in read]


def test_figures_are_exact_and_empty_where_there_are_none(tmp_path: Path) -> None:
    table = rows(50).table([str(number) for number in range(50)], ["a", "b", "c"])
    for name, read in (("x.csv", pd.read_csv), ("x.parquet", pd.read_parquet)):
        write(tmp_path / name, table, [])
        back = read(tmp_path / name)
        figures = ["score", "ood_score", "a", "b", "c"]
        np.testing.assert_array_equal(back[figures].astype(np.float32), table[figures])
        np.testing.assert_array_equal(back["is_ood"], table["is_ood"])
    stored = pq.read_table(tmp_path / "x.parquet")
    assert [str(kind) for kind in stored.schema.types] == ["string", "string", "float", "float", "bool", "string", *["float"] * 3]
    assert stored["score"].null_count == stored["a"].null_count == 10


def test_any_name_comes_back_from_parquet(tmp_path: Path) -> None:
    table = rows(len(ODD)).table(ODD, LABELS)
    write(tmp_path / "x.parquet", table, [])
    back = pq.read_table(tmp_path / "x.parquet")
    assert [unescaped(path) for path in back["path"].to_pylist()] == ODD
    assert [unescaped(name) for name in back.column_names] == [*FACTS, "=1+1", "caf\udce9", "class path"]


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_the_bytes_do_not_depend_on_how_the_rows_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(tables, "_GROUP", 16)
    table = rows(100).table([f"{number}.png" for number in range(100)], ["a", "b", "c"])
    whole = write(tmp_path / name, table, [])
    assert write(tmp_path / name, table, [1, 2, 40, 41, 90]) == whole
    assert write(tmp_path / name, table, [32]) == whole
    if name == "x.parquet":
        assert pq.ParquetFile(tmp_path / name).num_row_groups == 7


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_full_disk_is_an_error_of_the_system(ending: str) -> None:
    table = rows(50).table([str(number) for number in range(50)], ["a", "b", "c"])
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)) as raised, tables.writing(Path("/dev/full"), ending) as add:
        add(table)
    assert raised.value.errno == errno.ENOSPC


def test_no_two_columns_are_alike() -> None:
    names = columns(["path", "error"], ["error", "class error", "x", "path"])
    assert names == ["path", "error", "class class error", "class error", "x", "class path"]
