"""What a comparison does with its runs: which it makes, which it repeats, which it leaves out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflows.comparison.tiny import Trainings, pair
from transfer.cli import main
from transfer.config.comparison import build
from transfer.errors import DataError, TransferError
from transfer.workflows.compare import compare
from transfer.workflows.comparison import folder

COSTS = ["seconds_frozen", "seconds_training", "seconds", "energy_wh"]


def test_runs_that_exist_are_not_repeated_and_a_changed_method_repeats_only_its_own(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings
) -> None:
    data = image_folder(count=14)
    first = compare(data, pair(), output=tmp_path / "out")
    assert len(trainings.made) == 4
    again = compare(data, pair(), output=tmp_path / "out")
    assert len(trainings.made) == 4
    assert again.runs.equals(first.runs)  # costs and all
    compare(data, pair(), output=tmp_path / "out", **{"methods.hidden.training.epochs": 3})
    assert trainings.made[4:] == ["hidden-2-0", "hidden-all-0"]
    compare(data, pair(seeds=[0, 1]), output=tmp_path / "out")
    assert sorted(trainings.made[6:]) == ["hidden-2-1", "hidden-all-1", "linear-2-1", "linear-all-1"]


@pytest.mark.parametrize(
    "change",
    [
        {"common.ood.neighbours": 3, "common.ood.other_images": 0},
        {"common.energy": "off"},
        {"common.export.tolerance_float32": 0.5, "common.export.batch_size": 7},
        {"common.check.tiny": 5},
        {"common.features.memory_mb": 64, "common.training.checkpoint_seconds": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_settings_that_change_no_result_repeat_no_run(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings, change: dict[str, object]
) -> None:
    data = image_folder(count=14)
    first = compare(data, pair(), output=tmp_path / "out")
    again = compare(data, pair(), output=tmp_path / "out", **change)
    assert len(trainings.made) == 4
    assert again.runs.equals(first.runs)


def test_a_run_whose_file_is_damaged_is_repeated(image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings) -> None:
    data = image_folder(count=14)
    first = compare(data, pair(), output=tmp_path / "out")
    record = sorted((first.path / folder.RECORDS).iterdir())[0]
    record.write_text(record.read_text()[:50])
    again = compare(data, pair(), output=tmp_path / "out")
    assert len(trainings.made) == 5
    assert again.runs.drop(columns=COSTS).equals(first.runs.drop(columns=COSTS))


def test_added_images_repeat_the_runs(image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings) -> None:
    compare(image_folder(count=14), pair(), output=tmp_path / "out")
    compare(image_folder(count=20), pair(), output=tmp_path / "out")
    assert len(trainings.made) == 8


def test_a_run_that_fails_is_told_left_out_and_tried_again(image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings) -> None:
    data = image_folder(count=14)
    wrong = pair(**{"methods.hidden.training.learning_rate": 1e30})
    done = compare(data, wrong, output=tmp_path / "out")
    assert {failure["run"] for failure in done.failures} == {"hidden-2-0", "hidden-all-0"}
    assert "diverged" in done.failures[0]["reason"]
    assert list(done.runs["method"].unique()) == ["linear"]
    compare(data, wrong, output=tmp_path / "out")
    assert trainings.made[4:] == ["hidden-2-0", "hidden-all-0"]


def test_where_all_runs_fail_the_reason_is_the_error(image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings) -> None:
    wrong = pair(sizes=["all"], **{"common.training.learning_rate": 1e30})
    with pytest.raises(TransferError, match=r"All 2 trials failed.*diverged"):
        compare(image_folder(count=14), wrong, output=tmp_path / "out")


def test_sizes_beyond_the_data_are_told_once(image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings) -> None:
    done = compare(image_folder(count=14), pair(sizes=[2, 100, 1000]), output=tmp_path / "out")
    assert list(done.runs["size"].unique()) == ["2", "all"]
    assert any("sizes 100, 1000 are run as all" in note for note in done.facts["notes"])
    assert len(trainings.made) == 4


def test_a_proportional_validation_is_smaller_at_small_sizes(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings
) -> None:
    done = compare(image_folder(count=40), pair(validation="proportional"), output=tmp_path / "out")
    images = done.runs.set_index("run")["validation_images"]
    assert images["linear-2-0"] < images["linear-all-0"]
    assert images["linear-2-0"] >= 2


def test_data_that_cannot_be_divided_is_an_error(image_folder: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError):
        compare(image_folder(count=2), pair(), output=tmp_path / "out")


def test_the_facts_say_how_it_was_made(image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings) -> None:
    done = compare(image_folder(count=14), pair(), output=tmp_path / "out")
    facts = json.loads((done.path / folder.FACTS).read_text())
    assert facts["runs"] == {"wanted": 4, "finished": 4, "failed": 0}
    assert facts["classes"] == ["green", "red"]
    assert facts["methods"]["hidden"]["network"]["dense"] == [4]


def test_the_command_prints_the_table_the_paragraph_and_where_the_rest_lies(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "compare.yaml"
    settings.write_text(build([pair()]).to_yaml(), encoding="utf-8")
    command = ["compare", str(image_folder(count=14)), "--config", str(settings), "--output", str(tmp_path / "out"), "--name", "mine"]
    with pytest.raises(SystemExit) as done:
        main([*command, "--set", "sizes=[all]", "--set", "methods.hidden.training.learning_rate=1e30"])
    assert done.value.code == 0
    printed = capsys.readouterr().out
    assert "1 method was run" in printed
    assert "failed   hidden-all-0: Training diverged" in printed
    assert f"Report   {tmp_path / 'out' / 'mine' / folder.REPORT}" in printed
    assert trainings.made == ["linear-all-0", "hidden-all-0"]
