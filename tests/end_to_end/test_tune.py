"""tune() on real files: an ordinary run with its search, which goes on, and in which the test images take no part."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import transfer
from tests.end_to_end.common import Sending, three_digits
from transfer.cli import main
from transfer.engines import LOCAL, Engine
from transfer.errors import ConfigError, DataError, OutputError, RunError
from transfer.runs import STUDY, TRIALS, TUNING
from transfer.system.progress import Silent
from transfer.workflows import tune as module
from transfer.workflows.tune_requests import tune_request
from transfer.workflows.tuning import folder

QUICK: dict[str, Any] = {
    "sizes": [32], "batch": 3, "random_trials": 4, "folds": 3,
    "space": {"truncate_at": ["block1_pool", ["block1_pool", "block2_pool"]], "head.dense": [[], 8], "training.epochs": 3},
    "common": {
        "weights": "random", "precision": "float32", "compute": "tensorflow", "energy": "off", "data.value_range": "dtype",
        "ood.other_images": 0,
    },
}  # fmt: skip
"""Two blocks of VGG16 with random weights."""


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One feature store for all tests of this file."""
    return tmp_path_factory.mktemp("shared home")


@pytest.fixture(autouse=True)
def cache_folder(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRANSFER_HOME", str(shared_home))
    return shared_home


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return three_digits(tmp_path_factory.mktemp("data"), 8, 3, 4)


def searched(data: Path, output: Path, trials: int, engine: Engine = LOCAL, **changes: Any) -> list[dict[str, Any]]:
    """The trials of a search without its run, without the seconds they took."""
    request = tune_request(data, [QUICK, {"trials": trials}, changes], "name", output)
    from contextlib import ExitStack

    with folder.locked(output, "name") as place, ExitStack() as stack:
        found, _, _ = module._search(request, folder.begun(place, output / "name", False), place, Silent(), stack, engine)
    return [{"settings": one.settings, "value": one.score.value, "facts": one.score.facts} for one in found.trials]


def test_a_search_ends_in_an_ordinary_run_and_goes_on_with_more_trials(data: Path, tmp_path: Path) -> None:
    run = transfer.tune(data, QUICK, trials=4, name="digits", output=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits"]  # the folder of the search is gone
    assert {STUDY, TRIALS, TUNING} <= {path.name for path in run.path.iterdir()} & set(
        json.loads((run.path / "checksums.json").read_text())
    ) | {STUDY}
    assert run.tuning is not None and run.trials is not None
    assert (run.tuning["trials"], len(run.trials)) == (4, 4)
    chosen = run.trials.iloc[run.tuning["chosen"]]
    assert run.config["head.kind"] == chosen["head.kind"]
    assert 0 <= run.metrics["test"]["accuracy"] <= 1
    assert "The search that found this head" in run.report.read_text(encoding="utf-8")
    assert len(transfer.predict(run, [next((data / "test" / "1").glob("*.png"))])) == 1

    before = run.report.stat().st_mtime_ns
    assert transfer.tune(data, QUICK, trials=4, name="digits", output=tmp_path).report.stat().st_mtime_ns == before  # nothing to do
    larger = transfer.tune(data, QUICK, trials=8, name="digits", output=tmp_path)
    assert larger.trials is not None
    pd.testing.assert_frame_equal(larger.trials.head(4), run.trials, check_dtype=False)
    assert [row["value"] for row in searched(data, tmp_path / "other", 8)] == pytest.approx(list(larger.trials["value"]), abs=1e-6)

    with pytest.raises(RunError, match="folds: 3 there, 4 now"):
        transfer.tune(data, QUICK, trials=9, folds=4, name="digits", output=tmp_path)
    with pytest.raises(OutputError, match="already exists"):  # a run without a search is not replaced
        (larger.path / STUDY).unlink()
        transfer.tune(data, QUICK, trials=4, name="digits", output=tmp_path)


def test_labels_of_the_test_images_change_nothing(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "shuffled"
    shutil.copytree(data, other)
    for number in range(3):
        (other / "test" / str(number)).rename(other / "test" / f"{number} moved")
    for number in range(3):
        (other / "test" / f"{number} moved").rename(other / "test" / str((number + 1) % 3))
    assert searched(data, tmp_path / "one", 7) == searched(other, tmp_path / "two", 7)


def test_a_search_of_other_images_is_refused(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "fewer"
    shutil.copytree(data, other)
    next((other / "train" / "0").glob("*.png")).unlink()
    searched(data, tmp_path / "runs", 3)
    with pytest.raises(RunError, match=r"images: 33 .* there, 32 "):
        searched(other, tmp_path / "runs", 3)


def test_several_sizes_and_views_have_passes_of_their_own(data: Path, tmp_path: Path) -> None:
    found = searched(data, tmp_path, 6, sizes=[32, 48], views=[0, 1])
    assert searched(data, tmp_path / "sent", 6, Sending(), sizes=[32, 48], views=[0, 1]) == found
    assert {row["settings"]["image_size"] for row in found} == {32, 48}
    assert {row["settings"]["augment.views"] for row in found} == {0, 1}


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"trials": 0}, ConfigError, "must be at least 1"),
        ({"trials": -1}, ConfigError, "must be at least 1"),
        ({"folds": 1}, ConfigError, "must be at least 2"),
        ({"backbones": "vgg61"}, ConfigError, "Did you mean"),
        ({"backbones": ["vgg16", "lenet"]}, ConfigError, "they are not searched together"),
        ({"sizes": [8]}, ConfigError, "at least"),
        ({"common.unfreeze_from": "block5_conv1"}, ConfigError, "a frozen backbone"),
        ({"common.data.tst": 0.2}, ConfigError, "Did you mean 'data.test'"),
        ({"common.data.group_by": "near-duplicates"}, ConfigError, "--write-manifest groups.csv"),
        ({"space.truncate_at": ["block9_pool"]}, ConfigError, "Unknown cut point of vgg16"),
    ],
)
def test_bad_settings_are_refused_before_tensorflow_starts(
    data: Path, tmp_path: Path, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        tune_request(data, [{"sizes": [32]}, changes], None, tmp_path)
    assert words in str(caught.value)


def test_bad_data_is_refused(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    with pytest.raises(DataError):
        tune_request(tmp_path / "nowhere", [QUICK])
    with pytest.raises(DataError, match="at least 2 classes"):
        transfer.tune(image_folder(("one",), 5), QUICK, output=tmp_path / "runs")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        transfer.tune(tmp_path / "empty", QUICK, output=tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("[!.]*"))


def test_errors_of_the_command_are_one_line(tmp_path: Path, image_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (
        ["--trials", "0"],
        ["--set", "trial=5"],
        ["--choose", "most"],
        ["--backbones", "vgg61"],
        ["--set", "space.head.dropout={low: 1}"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(["tune", str(image_folder()), "--output", str(tmp_path / "runs"), *wrong])
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1
