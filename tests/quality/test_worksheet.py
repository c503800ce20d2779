"""The table that a person edits: what is in it, that it comes back unchanged, and where it may be written."""

import csv
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.conftest import made_up_image
from transfer.config import DataConfig
from transfer.data import dataset as manifests
from transfer.data import sources, splits
from transfer.data.sources.tables.listing import listing
from transfer.errors import DataError, OutputError
from transfer.quality.findings import COLUMNS as TABLES
from transfer.quality.findings import Findings
from transfer.quality.worksheet import COLUMNS, require_free, write
from transfer.system.progress import Silent


def made(*rows: tuple[str, str, str, str, str]) -> pd.DataFrame:
    """A manifest of (path, label, split, group, reason)."""
    full = [(path, label, split, group, "used", reason, "alpha", "", path, 9, "PNG", 4, 3, 0) for path, label, split, group, reason in rows]
    return pd.DataFrame(full, columns=manifests.COLUMNS, dtype=object)


def found(**tables: list[list[object]]) -> Findings:
    return Findings([], **{name: pd.DataFrame(rows, columns=TABLES[name], dtype=object) for name, rows in tables.items()})


def cells(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def test_there_is_one_row_for_each_file_with_its_facts(tmp_path: Path) -> None:
    manifest = made(("a/1.png", "a", "train", "g", ""), ("a/2.png", "a", "", "", "damaged: half"), ("b/", "b", "", "", "folder: empty"))
    write(manifest, None, tmp_path / "t.csv")
    rows = cells(tmp_path / "t.csv")
    assert list(rows) == ["a/1.png", "a/2.png"]
    assert list(rows["a/1.png"].values()) == ["a/1.png", "a", "train", "g", "", "", "", "alpha", "PNG", "4", "3", "9"]
    assert (rows["a/2.png"]["exclude"], rows["a/2.png"]["notes"]) == ("yes", "damaged: half")
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbfpath,label,")


def test_what_the_checks_found_stands_beside_the_file(tmp_path: Path) -> None:
    manifest = made(*((f"{name}.png", "x", "train", "", "") for name in "abcde"))
    findings = found(
        duplicates=[[0, "b.png", "x", "train", True], [0, "c.png", "y", "train", True]],
        near_duplicates=[
            [0, "d.png", "x", "test", "b.png", "x", "train", 0.999, True],
            [0, "e.png", "x", "test", "d.png", "x", "test", 0.998, False],
        ],
        label_issues=[["a.png", "x", "train", "=y", 0.02, 0.91]],
        outliers=[["a.png", "x", "train", 3.14]],
        files=[["tiny", "e.png", "x", "test", "4 x 3 pixels"], ["blank", "e.png", "x", "test", ""]],
    )
    write(manifest, findings, tmp_path / "t.csv")
    rows = cells(tmp_path / "t.csv")
    assert {path: row["duplicate_of"] for path, row in rows.items()} == {
        "a.png": "", "b.png": "", "c.png": "b.png", "d.png": "b.png", "e.png": "b.png",
    }  # fmt: skip
    assert rows["a.png"]["suggested_label"] == "'=y"
    wrong, far = rows["a.png"]["notes"].split("; ")
    assert wrong.startswith("label is likely wrong") and "0.02" in wrong and "=y 0.91" in wrong
    assert far.startswith("outlier: 3.1 times")
    assert rows["b.png"]["notes"] == "contradiction: also in y; near duplicate across splits: d.png is in test"
    assert rows["d.png"]["notes"] == "near duplicate across splits: b.png is in train"
    assert rows["e.png"]["notes"] == "tiny: 4 x 3 pixels; blank"


def test_a_divided_folder_comes_back_the_same(tmp_path: Path) -> None:
    names = ["1.png", "=2.png", "-3.png", "@4.png", "+5.png", "é,6\n.png", os.fsdecode(b"7\xe9.png"), "\\udce98.png", " 9.png", "'10.png"]
    for number, label in enumerate(("=cats", "01", os.fsdecode(b"d\xff"), "NA", "'-x")):
        (tmp_path / "data" / label).mkdir(parents=True)
        for index, name in enumerate(names):
            made_up_image(100 * number + index, (9, 8)).save(tmp_path / "data" / label / name, "PNG")
    (tmp_path / "data" / "=cats" / "notes.txt").write_text("none")
    (tmp_path / "data" / "stray.png").write_bytes(b"")
    config = DataConfig(source=str(tmp_path / "data"), group_by="/[^0-9]*([0-9])")
    source = sources.read(config, Silent())
    manifest = splits.divide(source.table, config, 0)
    write(manifest, None, tmp_path / "t.csv", sources.own(config))
    again_config = DataConfig(source=str(tmp_path / "t.csv"), root=str(tmp_path / "data"))
    sources.require(again_config)
    again = sources.read(again_config, Silent())
    divided = splits.divide(again.table, again_config, 1, again.ready_made)
    assert again.root == source.root
    assert len(manifests.used(manifest)) == 50
    pd.testing.assert_frame_equal(manifests.used(divided).reset_index(drop=True), manifests.used(manifest).reset_index(drop=True))
    assert set(divided["path"]) == set(manifest["path"])


ANY = st.text(st.characters(codec="utf-8") | st.sampled_from("=+-@'\\\t\r\n,;\" udce9\udce9\udcff"), min_size=1, max_size=8)


@given(ANY.filter(lambda label: label.strip() != "" and "\0" not in label), ANY.filter(lambda group: "\0" not in group))
@settings(max_examples=150, deadline=None)
@example("'=x", "\\udce9")
@example("\\udc5cudce9", "''+")
@example("-1", "\t=")
def test_any_label_and_group_come_back(label: str, group: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a.png").write_bytes(b"x")
        write(made(("a.png", label, "test", group, "")), None, folder / "t.csv")
        item = listing(folder / "t.csv", group="group")[0][0]
    assert (item.path, item.label, item.split, item.group) == ("a.png", label, "test", group)


@pytest.mark.parametrize("start", list("=+-@\t\r\n"))
def test_no_cell_begins_like_a_formula(tmp_path: Path, start: str) -> None:
    name = f"{start}1+1"
    findings = found(label_issues=[[name, name, "", name, 0.1, 0.9]], duplicates=[[0, "a", "x", "", False], [0, name, name, "", False]])
    write(made((name, name, "test", name, ""), ("b.png", "b", "", "", name)), findings, tmp_path / "t.csv")
    rows = list(cells(tmp_path / "t.csv").values())
    assert rows[0]["path"] == f"./{name}"
    assert [cell for row in rows for cell in row.values() if cell[:1] in tuple("=+-@\t\r\n")] == []


def test_an_earlier_table_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write(made(("a.png", "x", "", "", "")), None, path)
    path.write_text(path.read_text(encoding="utf-8-sig").replace(",", ";"), encoding="utf-8")  # saved by a spreadsheet
    write(made(("b.png", "x", "", "", "")), None, path)
    assert list(cells(path)) == ["b.png"]
    for content in ("path,label\na.png,x\n", "", ",".join(COLUMNS[1:])):
        path.write_text(content)
        with pytest.raises(OutputError, match="a table that it wrote"):
            write(made(("b.png", "x", "", "", "")), None, path)
        assert path.read_text() == content


@pytest.mark.parametrize("place", ["data/t.csv", "data/deeper/t.csv", "link/t.csv", "data/../data/t.csv"])
def test_nothing_is_written_into_the_data_folder(tmp_path: Path, place: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    with pytest.raises(OutputError, match="where nothing is written"):
        write(made(), None, tmp_path / place, [tmp_path / "data"])
    assert list((tmp_path / "data").iterdir()) == []


def test_the_table_that_is_the_data_stays(tmp_path: Path) -> None:
    write(made(("a.png", "x", "", "", "")), None, tmp_path / "t.csv")
    config = DataConfig(source=str(tmp_path / "t.csv"))
    with pytest.raises(OutputError, match=r"t\.csv', where nothing is written"):
        require_free(tmp_path / "t.csv", sources.own(config))
    require_free(tmp_path / "other.csv", sources.own(config))


@pytest.mark.parametrize(("name", "rule"), [("t.xlsx", "ends in .csv"), ("t", "ends in .csv"), ("folder.csv", "already exists")])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str, rule: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match=rule):
        require_free(tmp_path / name, [])


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write(made(("a.png", "x", "", "", "")), None, tmp_path / "t.csv")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(DataError, match="cannot be written: No space left on device"):
        write(made(("b.png", "x", "", "", "")), None, tmp_path / "t.csv")
    assert list(cells(tmp_path / "t.csv")) == ["a.png"]
    assert os.listdir(tmp_path) == ["t.csv"]
