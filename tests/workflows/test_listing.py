"""The runs of a folder: whole ones with their figures, and everything else that lies there with the reason."""

import math
import os
import time
from pathlib import Path

import pytest

import transfer
from tests.reports.made_up_run import write_run
from transfer.errors import RunError


def test_runs_are_listed_with_their_figures_the_newest_first(tmp_path: Path) -> None:
    old = write_run(tmp_path / "old", data__source="/data/flowers")
    write_run(tmp_path / "new")
    hours = time.time() - 7200
    os.utime(old.path / "config.yaml", (hours, hours))
    first, second = transfer.list_runs(tmp_path)
    assert (first.name, second.name) == ("new", "old")
    assert (second.backbone, second.image_size, second.data, second.classes, second.images) == ("lenet", 16, "flowers", 3, 6)
    assert second.accuracy == old.metrics["test"]["accuracy"] and list(second.accuracy_ci95) == old.metrics["test"]["accuracy_ci95"]
    assert second.age == pytest.approx(7200, abs=60) and first.age < 60
    assert second.bytes == sum(file.stat().st_size for file in old.path.rglob("*") if file.is_file())
    assert second.trouble == first.trouble == first.data == ""


def test_what_is_no_whole_run_is_listed_with_the_reason_and_raises_nothing(tmp_path: Path) -> None:
    write_run(tmp_path / "whole")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".whole.partial-host-1").mkdir()
    (tmp_path / "README.md").touch()
    (write_run(tmp_path / "cut").path / "metrics.json").write_text('{"test"')
    (write_run(tmp_path / "poor").path / "metrics.json").write_text('{"test": 3}')
    (write_run(tmp_path / "wild").path / "config.yaml").write_text("- 1\n")
    found = {run.name: run for run in transfer.list_runs(tmp_path)}
    assert set(found) == {"whole", "empty", "cut", "poor", "wild"}
    assert found["whole"].trouble == "" and "lacks" in found["empty"].trouble
    for name in ("cut", "poor", "wild"):
        assert found[name].trouble and math.isnan(found[name].accuracy) and found[name].bytes > 0, name


def test_without_runs_the_list_is_empty_and_another_folder_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert transfer.list_runs() == []
    with pytest.raises(RunError, match=r"no such folder.*Received 'elsewhere'"):
        transfer.list_runs("elsewhere")
