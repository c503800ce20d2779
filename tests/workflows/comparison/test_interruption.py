"""A comparison that was killed ends with the same tables; two processes never work on one."""

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflows.comparison.tiny import Trainings, pair
from transfer.config.comparison import build
from transfer.errors import RunError
from transfer.workflows.compare import compare
from transfer.workflows.comparison import folder, records, trials
from transfer.workflows.comparison.folder import Comparison

ROOT = Path(__file__).resolve().parents[3]
COSTS = ["seconds_frozen", "seconds_training", "seconds", "energy_wh"]


def test_a_comparison_that_was_killed_continues_and_ends_with_the_same_tables(image_folder: Callable[..., Path], tmp_path: Path) -> None:
    data, out = image_folder(count=14), tmp_path / "out"
    settings = tmp_path / "compare.yaml"
    settings.write_text(build([pair(sizes=["all"])]).to_yaml(), encoding="utf-8")
    options = [str(data), "--config", str(settings), "--output", str(out), "--name", "killed"]
    command = [sys.executable, "-m", "tests.workflows.comparison.interrupted", "compare", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert len(list((out / "killed" / folder.RECORDS).glob("*.json"))) == 1
    killed = compare(data, pair(sizes=["all"]), name="killed", output=out)
    whole = compare(data, pair(sizes=["all"]), name="whole", output=out)
    assert killed.runs.drop(columns=COSTS).equals(whole.runs.drop(columns=COSTS))
    assert killed.predictions.equals(whole.predictions)
    assert killed.paired.equals(whole.paired)


def test_after_an_interruption_finished_sizes_can_be_read(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*arguments: object) -> object:
        if len(trainings.made) == 2:
            raise KeyboardInterrupt
        return trainings(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(trials, "train_trial", train)
    with pytest.raises(KeyboardInterrupt):
        compare(image_folder(count=14), pair(), output=tmp_path / "out")
    assert list(Comparison(tmp_path / "out" / "data").runs["run"]) == ["linear-2-0", "hidden-2-0"]


def test_a_second_process_is_refused_while_the_first_one_works(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings
) -> None:
    data = image_folder(count=14)
    place = tmp_path / "out" / "data"
    (place / folder.RECORDS).mkdir(parents=True)
    with (place / folder.LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("77")
        file.flush()
        with pytest.raises(RunError, match=r"Another process .number 77. is working on this comparison"):
            compare(data, pair(), output=tmp_path / "out")
    compare(data, pair(), output=tmp_path / "out")  # what a dead process has left is in nobody's way
    assert len(trainings.made) == 4


@pytest.mark.parametrize("damage", ["", "{", '{"identity": 1}', "[]"])
def test_a_record_of_no_use_is_no_run(tmp_path: Path, damage: str) -> None:
    (tmp_path / folder.RECORDS).mkdir()
    (tmp_path / folder.RECORDS / "name.json").write_text(damage)
    assert records.read(tmp_path, "name") is None
