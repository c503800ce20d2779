"""`transfer runs`, and what the shell offers for a run or a network."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.reports.made_up_run import write_run
from transfer import cli
from transfer.cli import completion
from transfer.cli.runs import age, table
from transfer.workflows.listing import ListedRun, list_runs

WIDE = "漢字の名前" * 8
COMBINING = "e\u0301" * 60


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with two runs, and a folder that is none."""
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "saved_models" / "flowers")
    write_run(tmp_path / "saved_models" / "fruit")
    (tmp_path / "saved_models" / "empty").mkdir()
    return tmp_path


def test_runs_are_a_table_with_figures_sizes_and_age(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["runs"])
    assert not done.value.code
    printed = capsys.readouterr().out
    for words in ("flowers", "fruit", "lenet", "test accuracy (95 %)", "3 runs, ", "cannot be read: empty: The folder is not a run"):
        assert words in printed
    with pytest.raises(SystemExit):
        cli.main(["runs", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert {run["name"] for run in found["runs"]} == {"flowers", "fruit", "empty"}


def test_without_runs_the_command_that_makes_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert re.fullmatch(
        r"There are no runs in saved_models\. .*transfer fit YOUR_FOLDER makes one\.", table(list_runs(), Path("saved_models"))
    )


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", ["a" * 150, WIDE, COMBINING, os.fsdecode(b"caf\xe9\n")])
def test_the_table_fits_the_terminal_whatever_the_names(name: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    run = ListedRun(name, Path(name), "efficientnet_v2_b0", 224, name, 1000, 1_234_567, 0.5, (0.25, 0.75), 10**10, 1e6)
    printed = table([run], Path("saved_models"))
    assert max(map(cell_len, printed.splitlines())) <= width
    printed.encode()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59, "59 s"), (61, "1 min"), (7200, "2 h"), (90_000, "1 d"), (4e7, "463 d")])
def test_an_age_is_in_its_largest_unit(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_the_shell_is_offered_runs_folders_and_networks(folder: Path) -> None:
    assert completion.runs("f") == ["flowers", "fruit"]
    assert completion.runs("fl") == ["flowers"]
    assert completion.runs("saved_models/f") == ["saved_models/flowers", "saved_models/fruit"]
    assert completion.runs("saved") == ["saved_models"]
    assert completion.runs("no such folder/") == []
    assert completion.networks("VGG") == ["vgg16", "vgg19"]
    assert "lenet" in completion.networks("")


def test_completion_is_quick_and_needs_no_tensorflow(folder: Path) -> None:
    code = (
        "import sys; sys.argv = ['transfer']\nfrom transfer.cli import main\ntry: main()\nfinally: assert 'tensorflow' not in sys.modules"
    )
    environment = {**os.environ, "_TRANSFER_COMPLETE": "complete_bash", "COMP_WORDS": "transfer predict f", "COMP_CWORD": "2"}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.split() == ["flowers", "fruit"], done.stderr
    assert time.monotonic() - started < 5
