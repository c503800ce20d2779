"""`transfer check` as a person uses it: what is printed, what `--strict` says, and that the commands it advises work."""

import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
from rich.cells import cell_len

from tests.cli import test_app
from tests.cli.test_app import LENET, Call, require_one_error
from tests.conftest import made_up_image
from tests.data.sources.tfds.tfds_sets import images, prepare
from transfer.models import weights

call, data = test_app.call, test_app.data

FILES = ("--files-only", *LENET)


def advised(printed: str) -> list[list[str]]:
    """Return the commands under `Try next`, as a shell takes them apart."""
    lines = printed[printed.index("Try next") :].removeprefix("Try next").splitlines()
    return [shlex.split(line.partition("   (")[0].strip())[1:] for line in lines]


def test_strict_passes_clean_data_and_fails_on_each_limit_with_a_sentence(call: Call, data: Path, tmp_path: Path) -> None:
    arguments = ("check", data, *FILES, "--strict", "--output", tmp_path / "result")
    status, _, lines = call(*arguments)
    assert (status, [line for line in lines if not line.startswith("Scanning")]) == (0, [])
    shutil.copy(data / "red" / "0.png", data / "green" / "copy.png")
    (data / "red" / "notes.txt").write_text("not an image")
    status, printed, lines = call(*arguments)
    assert status == 1
    assert [line.partition(":")[0] for line in lines] == ["Scanning", "not passed", "not passed"]
    assert "(check.max_unusable)" in lines[1]
    assert "(check.max_contradictions)" in lines[2]
    assert "contradiction" in printed
    limits = ("--set", "check.max_unusable=0.2", "--set", "check.max_contradictions=1")
    assert call(*arguments, *limits)[0] == 0


def test_strict_fails_where_a_run_would_refuse_the_data(call: Call, data: Path, tmp_path: Path) -> None:
    shutil.rmtree(data / "red")
    status, printed, lines = call("check", data, *FILES, "--strict", "--output", tmp_path / "result")
    assert status == 1
    assert "at least 2 classes" in lines[-1]
    assert "Try next" not in printed  # transfer fit would fail


def test_what_was_left_out_on_purpose_fails_no_strict_check(call: Call, data: Path, tmp_path: Path) -> None:
    (data / ".hidden.png").touch()
    (data / "rare").mkdir()
    made_up_image(77).save(data / "rare" / "0.png")
    (data / "red" / "broken.png").write_bytes(b"\x89PNG")
    table = tmp_path / "edited.csv"
    call("check", data, *FILES, "--write-manifest", table, "--output", tmp_path / "result")
    arguments = ("check", table, "--root", data, *FILES, "--strict", "--min-per-class", 3, "--output", tmp_path / "result")
    status, printed, _ = call(*arguments)
    assert status == 0
    assert "excluded in edited.csv: not used, as the table says" in printed
    assert "in a class that was left out: not used, as asked" in printed


def test_files_are_checked_without_a_network_and_what_was_left_out_is_not_called_absent(
    call: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise AssertionError("weights were asked for")

    monkeypatch.setattr(weights, "load", fail)
    (data / "red" / "notes.txt").write_text("not an image")
    status, printed, lines = call("check", data, "--files-only", "--output", tmp_path / "result")
    assert status == 0
    assert [line.partition(":")[0] for line in lines] == ["Scanning"]
    absent = " ".join(printed[printed.index("None found") : printed.index("Not checked")].split())
    assert "contradictions" in absent
    for kind in ("near duplicates", "labels", "outliers"):
        assert kind not in absent
    page = (tmp_path / "result" / "report.html").read_text(encoding="utf-8")
    assert "likely wrong labels" not in page


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_lines_fit_the_terminal(call: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(tmp_path)
    shutil.copy(data / "red" / "0.png", data / "green" / ("long " * 12 + ".png"))
    data.joinpath("red").rename(data / ("a class of many words " * 4))
    _, printed, _ = call("check", "data", *FILES)
    text, commands = printed[: printed.index("Try next")], printed[printed.index("Try next") :]
    assert max(cell_len(line) for line in text.splitlines()) <= columns
    assert len(commands.splitlines()) == 2  # never broken: they are copied


def test_the_advised_commands_work_as_they_are_printed(call: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(data / "red" / "0.png", data / "green" / "copy.png")
    rows = [f"{path.relative_to(data)},{path.parent.name}" for path in sorted(data.rglob("*.png"))]
    (tmp_path / "my table.csv").write_text("\n".join(["path,label", *rows]))
    status, printed, _ = call("check", "my table.csv", "--root", data, *FILES)
    assert status == 0
    check, fit = advised(printed)
    assert check == ["check", "my table.csv", "--root", str(data), "--write-manifest", "FILE.csv"]
    status, printed, _ = call(*check, *FILES)
    assert status == 0
    assert advised(printed) == [fit]
    assert call("check", *fit[1:], *FILES)[0] == 0


def test_a_tfds_set_is_checked_its_table_edited_and_given_back(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path / "sets", {"train": images(16), "test": images(6, 100)})
    status, printed, _ = call("check", "tfds:pets", "--tfds-data-dir", "sets", *LENET, "--write-manifest", "t.csv")
    assert status == 0
    ((_, *back),) = advised(printed)
    rows = pd.read_csv("t.csv", dtype=str, keep_default_na=False)
    *moved, excluded = rows.index[rows["split"] == "train"][:3]
    rows.loc[moved, "split"] = "test"
    rows.loc[excluded, "exclude"] = "yes"
    rows.to_csv("t.csv", index=False)
    assert call("check", *back, *LENET)[0] == 0
    manifest = pd.read_csv("data_checks/t.csv/manifest.csv", keep_default_na=False, index_col="path")
    assert list(manifest.loc[rows.loc[moved, "path"], "split"]) == ["test", "test"]
    assert manifest.at[rows.at[excluded, "path"], "reason"] == "excluded in t.csv"


def test_a_table_may_name_a_new_class_and_give_up_another(call: Call, data: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    call("check", data, *FILES, "--write-manifest", table, "--output", tmp_path / "result")
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    rows.loc[rows["label"] == "red", "exclude"] = "yes"
    rows.loc[rows.index[rows["label"] == "green"][:3], ["label", "split"]] = ["lime", ""]
    rows.to_csv(table, index=False)
    arguments = (table, "--root", data, *FILES, "--output", tmp_path / "result")
    status, printed, _ = call("check", *arguments)
    assert status == 0
    assert "lime" in printed
    assert "red" not in printed.split("Formats")[0]
    rows.assign(exclude="yes").to_csv(table, index=False)
    require_one_error(call("check", *arguments), "No readable image.*12 excluded in t.csv")
