"""Trials of `tune` and trainings of `compare` on a Ray cluster of two nodes: bit for bit those of this process, whatever ends meanwhile."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.common import three_digits
from transfer.config import EngineConfig
from transfer.config.comparison import build
from transfer.engines import Engine, opened
from transfer.errors import EngineError
from transfer.system.progress import Advance, Silent
from transfer.workflows import compare as compare_module
from transfer.workflows import tune as tune_module
from transfer.workflows.comparison import folder as comparison_folder
from transfer.workflows.comparison.folder import Comparison
from transfer.workflows.comparison.records import Record
from transfer.workflows.comparison.training import Asked, Trainer
from transfer.workflows.requests import compare_request
from transfer.workflows.tune_requests import tune_request
from transfer.workflows.tuning import folder
from transfer.workflows.tuning.batches import BatchScorer
from transfer.workflows.tuning.proposals import Proposal

pytest.importorskip("ray")
from ray.cluster_utils import Cluster

from tests.engines.cluster import a_node_killed, two_nodes

ROOT = Path(__file__).resolve().parents[2]
COMMON: dict[str, Any] = {
    "weights": "random", "precision": "float32", "compute": "tensorflow", "energy": "off", "data.value_range": "dtype", "image_size": 32,
    "ood.other_images": 0, "training.epochs": 2,
}  # fmt: skip
COMPARED: dict[str, Any] = {
    "sizes": ["all"], "seeds": [0, 1], "energy": "off", "common": COMMON,
    "methods": {
        "dense": {"backbone": "vgg16", "truncate_at": "block1_pool", "head.dense": [8], "head.dropout": 0.5, "augment.views": 1},
        "lenet": {"backbone": "lenet"},
    },
}  # fmt: skip
HEADS: dict[str, Any] = {
    "sizes": [32], "batch": 3, "random_trials": 4, "folds": 3, "views": [0, 1],
    "space": {"truncate_at": ["block1_pool", ["block1_pool", "block2_pool"]], "head.dense": [[], 8], "training.epochs": 3},
    "common": {key: value for key, value in COMMON.items() if key not in ("image_size", "training.epochs")},
}  # fmt: skip
NETWORKS: dict[str, Any] = {
    "backbones": ["lenet"], "sizes": [28], "batch": 2, "prune_epochs": 1, "prune_trials": 1,
    "space": {"training.learning_rate": [1e-6, 3e-3, 1e-2]},
    "common": {"training.epochs": 3, "training.batch_size": 8, "energy": "off", "data.value_range": "dtype", "ood.other_images": 0},
}  # fmt: skip


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


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes of one core, which this process has joined."""
    with two_nodes() as made, opened(joined(made), Silent()):
        yield made


class Moment(Silent):
    """Says when a moment within the first seconds of the trials has come."""

    def __init__(self, seed: int) -> None:
        self._seconds, self._begun = random.Random(seed).uniform(0, 4), math.inf

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
        if title.startswith(("Comparing", "Searching")):
            self._begun = time.monotonic()
        yield lambda count: None

    def has_come(self) -> bool:
        return time.monotonic() >= self._begun + self._seconds


def records(done: Comparison) -> list[dict[str, Any]]:
    """The records of a comparison, by name, without what it cost."""
    costs = ("seconds_frozen", "seconds_training", "energy_wh", "co2_g", "energy_source")
    found = [json.loads(path.read_text()) for path in sorted((done.path / comparison_folder.RECORDS).glob("*.json"))]
    return [
        json.loads(json.dumps(one), object_hook=lambda facts: {k: v for k, v in facts.items() if k not in (*costs, "checksum")})
        for one in found
    ]


def compared(data: Path, output: Path, name: str, progress: Silent | None = None, **changes: Any) -> Comparison:
    return compare_module.carry_out(compare_request(data, [COMPARED, changes], name, output), progress or Silent())


def searched(data: Path, output: Path, settings: dict[str, Any], trials: int, engine: Engine | None = None, progress: Any = None) -> Any:
    """The trials of a search without its run, without the seconds they took."""
    request = tune_request(data, [settings, {"trials": trials}], "name", output)
    with folder.locked(output, "name") as place, ExitStack() as stack:
        more = [engine] if engine else []
        found, _, _ = tune_module._search(request, folder.begun(place, output / "name", False), place, progress or Silent(), stack, *more)
    return [{"settings": one.settings, "value": one.score.value, "facts": one.score.facts} for one in found.trials]


def joined(cluster: Cluster, **more: Any) -> EngineConfig:
    return EngineConfig(kind="ray", address=cluster.address, **more)


def on_ray(cluster: Cluster) -> dict[str, Any]:
    return {"common.engine.kind": "ray", "common.engine.address": cluster.address}


@pytest.fixture(scope="module")
def alone(data: Path, shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """The comparison of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(shared_home))
        done = compared(data, tmp_path_factory.mktemp("alone"), "alone")
    assert not done.failures and len(records(done)) == 4
    return done


def test_a_comparison_is_that_of_one_process_with_a_node_killed(data: Path, tmp_path: Path, cluster: Cluster, alone: Comparison) -> None:
    moment = Moment(seed=1)
    with a_node_killed(cluster, moment.has_come):
        there = compared(data, tmp_path, "there", moment, **on_ray(cluster), energy="auto")
    assert not there.failures
    assert records(there) == records(alone)
    assert there.predictions.equals(alone.predictions) and there.paired.equals(alone.paired)
    assert any("Energy is not measured on a cluster" in note for note in there.facts["notes"])
    assert there.runs["energy_wh"].isna().all()


@pytest.mark.slow
def test_a_comparison_whose_driver_was_killed_goes_on(data: Path, tmp_path: Path, cluster: Cluster, alone: Comparison) -> None:
    settings = tmp_path / "compare.yaml"
    settings.write_text(build([COMPARED, on_ray(cluster)]).to_yaml(), encoding="utf-8")
    command = [sys.executable, "-m", "tests.workflows.comparison.interrupted", "compare", str(data), "--config", str(settings)]
    ended = subprocess.run([*command, "--output", str(tmp_path), "--name", "killed"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert len(list((tmp_path / "killed" / comparison_folder.RECORDS).glob("*.json"))) == 1
    assert records(compared(data, tmp_path, "killed", **on_ray(cluster))) == records(alone)


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "trials", "seed"), [(HEADS, 7, 2), (NETWORKS, 5, 3)])
def test_a_search_is_that_of_one_process_with_a_node_killed(
    data: Path, tmp_path: Path, cluster: Cluster, settings: dict[str, Any], trials: int, seed: int
) -> None:
    local = searched(data, tmp_path / "local", settings, trials)
    moment = Moment(seed)
    with opened(joined(cluster), Silent()) as engine, a_node_killed(cluster, moment.has_come):
        assert searched(data, tmp_path / "there", settings, trials, engine, moment) == local
    assert searched(data, tmp_path / "there", settings, trials) == local  # the journal is that of one process as well


@pytest.mark.slow
def test_a_search_whose_driver_was_killed_goes_on(data: Path, tmp_path: Path, cluster: Cluster) -> None:
    settings = tmp_path / "tune.yaml"
    given = HEADS | {"trials": 5, "common": HEADS["common"] | {"engine.address": cluster.address}}
    settings.write_text(yaml.safe_dump(json.loads(json.dumps(given))), encoding="utf-8")
    command = [sys.executable, "-m", "tests.end_to_end.interrupted", "trial", "SIGKILL", "tune", str(data), "--config", str(settings)]
    options = ["--engine", "ray", "--output", str(tmp_path / "killed"), "--name", "name"]
    ended = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with opened(joined(cluster), Silent()) as engine:
        found = searched(data, tmp_path / "killed", HEADS, 5, engine)
    assert found == searched(data, tmp_path / "whole", HEADS, 5)


class Ending(Trainer):
    """Ends its worker where a network is to be trained from scratch."""

    def __call__(self, asked: Asked) -> Record | str:
        if asked.method == "lenet":
            os._exit(1)
        return super().__call__(asked)


@pytest.mark.slow
def test_a_training_that_ends_its_worker_is_listed(data: Path, tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_module, "Trainer", Ending)
    done = compared(data, tmp_path, "ends", seeds=[0], **on_ray(cluster))
    assert [failure["run"] for failure in done.failures] == ["lenet-all-0"]
    assert "ended the worker that had it" in done.failures[0]["reason"]
    assert list(done.runs["run"]) == ["dense-all-0"]


class EndingScorer:
    """Ends its worker."""

    def against(self, before: Any) -> None:
        return None

    def __call__(self, asked: Any) -> Any:
        os._exit(1)


@pytest.mark.slow
def test_a_trial_that_ends_its_worker_is_an_error_and_has_no_score(cluster: Cluster) -> None:
    with (
        opened(joined(cluster), Silent()) as engine,
        pytest.raises(EngineError, match=r"Trial 4 has no score: it ended the worker that had it.*run the same command again"),
    ):
        list(BatchScorer(EndingScorer(), engine)([Proposal(4, {"head.dropout": 0.5}, {})], []))
