"""A table as a folder of Parquet files, and which names and places are accepted: nothing but an earlier table is ever replaced."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.errors import OutputError
from transfer.serving.batch import tables
from transfer.serving.batch.outputs import Output
from transfer.serving.batch.tables import FOLDER, Rows

LABELS = ["a", "b"]


def table(count: int, failed: int = 0) -> pd.DataFrame:
    """Rows of which the last ones failed."""
    probabilities = np.random.default_rng(0).random((count, 2), np.float32)
    bad = np.arange(count) >= count - failed
    rows = Rows(["damaged" if one else "" for one in bad], probabilities, probabilities[:, 0], ~bad, np.zeros(count, "V16"))
    return rows.table([f"{number}.png" for number in range(count)], LABELS)


def write(folder: Path, whole: pd.DataFrame, cuts: list[int]) -> dict[str, bytes]:
    with tables.writing(folder, FOLDER) as add:
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            add(whole.iloc[start:end].reset_index(drop=True))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 40), cuts=st.lists(st.integers(0, 40), max_size=5), part=st.integers(1, 12))
def test_parts_have_a_fixed_number_of_rows_however_they_came(
    tmp_path_factory: pytest.TempPathFactory, count: int, cuts: list[int], part: int
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_PART", part)
        files = write(folder / "cut", table(count), sorted(min(cut, count) for cut in cuts))
        assert files == write(folder / "whole", table(count), [])
    sizes = [pq.ParquetFile(folder / "cut" / name).metadata.num_rows for name in files]
    assert list(files) == [f"part-{number:06}.parquet" for number in range(len(files))]
    assert set(sizes[:-1]) <= {part}
    assert sum(sizes) == count


def test_parts_have_one_schema_and_read_as_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_PART", 4)
    whole = table(10, failed=4)  # nothing in the last part was classified
    write(tmp_path / "out", whole, [3])
    assert len({str(pq.read_schema(path)) for path in (tmp_path / "out").iterdir()}) == 1
    assert pyarrow.dataset.dataset(tmp_path / "out").count_rows() == 10
    with tables.writing(tmp_path / "one.parquet", ".parquet") as add:
        add(whole)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out"), pd.read_parquet(tmp_path / "one.parquet"))


@pytest.mark.parametrize("name", ["out", "out.txt", "v1.2", "", "/", "../", "..", "out.csv.gz"])
def test_other_names_are_refused_with_what_is_expected(name: str) -> None:
    with pytest.raises(OutputError, match=r"ends in \.csv or \.parquet, or in / for a folder of Parquet files"):
        Output.of(name)


def test_an_ending_before_the_slash_is_part_of_the_folders_name() -> None:
    assert Output.of("out.parquet/").kind == Output.of("out/").kind == FOLDER
    assert (Output.of("a/x.CSV").kind, Output.of(Path("x.parquet")).kind) == (".csv", ".parquet")


@pytest.mark.parametrize("names", [["notes.txt"], ["part-000000.parquet", "notes.txt"], ["part-0.parquet"], [".hidden"]])
def test_a_folder_with_anything_else_is_never_replaced(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "out").mkdir()
    for name in names:
        (tmp_path / "out" / name).touch()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="holds nothing but an earlier table"):
            Output.of(f"{tmp_path}/out/").require_free(overwrite)


def test_an_earlier_table_is_replaced_when_asked_and_an_empty_folder_always(tmp_path: Path) -> None:
    output = Output.of(f"{tmp_path}/out/")
    (tmp_path / "out").mkdir()
    output.require_free(False)
    (tmp_path / "out" / "part-000000.parquet").write_text("old")
    with pytest.raises(OutputError, match="--overwrite"):
        output.require_free(False)
    output.require_free(True)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "part-000000.parquet").write_text("new")
    output.publish(tmp_path / "new")
    assert (tmp_path / "out" / "part-000000.parquet").read_text() == "new"
    assert os.listdir(tmp_path) == ["out"]


def test_a_link_or_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    for name in ("link/", "file/"):
        with pytest.raises(OutputError, match="already exists"):
            Output.of(f"{tmp_path}/{name}").require_free(True)
