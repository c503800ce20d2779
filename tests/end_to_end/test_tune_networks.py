"""tune() of networks from scratch on real files: an ordinary run with its search; trials are stopped, cut off and redone."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import transfer
from tests.end_to_end.common import Sending, three_digits
from transfer.engines import LOCAL, Engine
from transfer.errors import ConfigError
from transfer.system.progress import Silent
from transfer.workflows import tune as module
from transfer.workflows.tune_requests import tune_request
from transfer.workflows.tuning import folder, network_scoring

QUICK: dict[str, Any] = {
    "backbones": ["mlp"], "sizes": [8], "trials": 7, "prune_epochs": 1, "prune_trials": 2,
    "space": {"training.learning_rate": [1e-6, 3e-3, 1e-2], "network.dense": [[8], [16]]},
    "common": {"training.epochs": 6, "training.batch_size": 8, "energy": "off", "data.value_range": "dtype", "ood.other_images": 0},
}  # fmt: skip


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store of pixels for all tests of this file."""
    return tmp_path_factory.mktemp("shared home")


@pytest.fixture(autouse=True)
def cache_folder(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRANSFER_HOME", str(shared_home))
    return shared_home


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return three_digits(tmp_path_factory.mktemp("data"), 20, 10, 4)


def searched(data: Path, output: Path, trials: int, engine: Engine = LOCAL) -> list[dict[str, Any]]:
    """The trials of a search without its run, without the seconds they took."""
    request = tune_request(data, [QUICK, {"trials": trials}], "name", output)
    with folder.locked(output, "name") as place, ExitStack() as stack:
        found, _, _ = module._search(request, folder.begun(place, output / "name", False), place, Silent(), stack, engine)
    scores = [(one.settings, one.score) for one in found.trials]
    return [{"settings": settings, "value": one.value, "pruned": one.pruned, "facts": one.facts} for settings, one in scores]


def test_a_search_ends_in_an_ordinary_run_however_often_it_is_cut_off(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = transfer.tune(data, QUICK, name="whole", output=tmp_path)
    assert run.tuning is not None and run.trials is not None
    assert (run.tuning["trials"], run.tuning["train_images"], run.tuning["images"]) == (7, 60, 30)
    states = list(run.trials["state"])
    assert states.count("pruned") == run.tuning["pruned"] > 0
    assert run.trials["network.dense"].isin(["8", "16", 8, 16]).all()
    chosen = run.trials.iloc[run.tuning["chosen"]]
    assert run.metrics["validation"]["accuracy"] == pytest.approx(float(chosen["value"]), abs=1e-6)  # the same training once more
    assert run.metrics["best_epoch"] == int(chosen["epoch"])
    page = run.report.read_text(encoding="utf-8")
    assert "The search that found these settings" in page and "validation images, in" in page

    real, calls = network_scoring.validated, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) in (3, 6):
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(network_scoring, "validated", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            searched(data, tmp_path, 7)
    cut = searched(data, tmp_path, 7)
    assert len(calls) == 9
    assert [row["value"] for row in cut] == pytest.approx(list(run.trials["value"]), abs=1e-6)
    assert [row["pruned"] for row in cut] == [state == "pruned" for state in states]
    assert searched(data, tmp_path, 8)[:7] == cut and len(calls) == 10


def test_labels_of_the_test_images_change_nothing(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "shuffled"
    shutil.copytree(data, other)
    for number in range(3):
        (other / "test" / str(number)).rename(other / "test" / f"{number} moved")
    for number in range(3):
        (other / "test" / f"{number} moved").rename(other / "test" / str((number + 1) % 3))
    assert searched(data, tmp_path / "one", 3) == searched(other, tmp_path / "two", 3)


def test_networks_that_are_trained_elsewhere_have_the_same_scores_and_stop_as_early(data: Path, tmp_path: Path) -> None:
    found = searched(data, tmp_path / "here", 5)
    assert any(row["pruned"] for row in found)
    assert searched(data, tmp_path / "there", 5, Sending()) == found


def test_both_kinds_of_network_together_are_refused(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="not searched together"):
        transfer.tune(image_folder(), backbones=["vgg16", "lenet"], output=tmp_path)
