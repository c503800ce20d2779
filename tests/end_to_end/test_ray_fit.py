"""`fit` and `check` on a Ray cluster of two nodes give what they give in one process, whatever ends meanwhile."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="needs the extra `ray`")

from ray.cluster_utils import Cluster

import transfer
from tests.end_to_end.common import QUICK, count_passes, outcome, quick_arguments
from tests.engines.cluster import two_nodes
from transfer.data import digits
from transfer.features.store import Store
from transfer.runs import MANIFEST, Run

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {**QUICK, "augment.views": 1}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with two_nodes() as made:
        yield made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits.write_folder(tmp_path_factory.mktemp("data") / "digits", 4, 2, 2)


@pytest.fixture(scope="module")
def local(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TRANSFER_HOME", str(tmp_path_factory.mktemp("local")))
        return transfer.fit(data, SETTINGS, name="local", output=tmp_path_factory.mktemp("runs"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, so that the workers compute everything."""
    monkeypatch.setenv("TRANSFER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def on(cluster: Cluster) -> dict[str, Any]:
    return {**SETTINGS, "engine.kind": "ray", "engine.address": cluster.address}


def command(data: Path, output: Path, cluster: Cluster, name: str = "run") -> list[str]:
    given = [*quick_arguments(data, output, name), "--engine", "ray", "--set", f"engine.address={cluster.address}"]
    return [*given, "--set", "augment.views=1"]


def same(run: Run, other: Run) -> bool:
    manifests = [(one.path / MANIFEST).read_bytes() for one in (run, other)]
    return outcome(run) == outcome(other) and manifests[0] == manifests[1]


def test_the_run_is_that_of_one_process(data: Path, local: Run, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = count_passes(monkeypatch)
    assert same(transfer.fit(data, on(cluster), name="ray", output=tmp_path / "runs"), local)
    assert passed() < 80, "the driver computed features of the images itself"


@pytest.mark.slow
def test_the_check_is_that_of_one_process(data: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (by_workers, here) = (
        transfer.check(data, {**SETTINGS, **engine}, output=tmp_path / str(number))
        for number, engine in enumerate((on(cluster), {"engine.kind": "local"}))
    )
    assert by_workers.manifest.equals(here.manifest) and by_workers.exceeded == here.exceeded


@pytest.mark.slow
def test_two_drivers_share_a_cluster_and_a_store(data: Path, local: Run, cluster: Cluster, tmp_path: Path) -> None:
    commands = [[sys.executable, "-m", "transfer", *command(data, tmp_path / "runs", cluster, name)] for name in ("one", "other")]
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda given: subprocess.run(given, cwd=ROOT, capture_output=True, text=True, timeout=280), commands))
    assert [done.returncode for done in ended] == [0, 0], [done.stderr for done in ended]
    assert all(same(Run(tmp_path / "runs" / name), local) for name in ("one", "other"))


@pytest.mark.slow
@pytest.mark.parametrize("moment", [3, 6], ids=["features", "views"])
def test_a_node_that_is_killed_changes_nothing(
    moment: int, data: Path, local: Run, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, calls = Store.put, 0

    def killing(store: Store, entries: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)  # SIGKILL
        put(store, entries)

    monkeypatch.setattr(Store, "put", killing)
    try:
        run = transfer.fit(data, on(cluster), name="ray", output=tmp_path / "runs")
    finally:
        cluster.add_node(num_cpus=1)
    assert calls >= moment and same(run, local)


@pytest.mark.slow
def test_a_driver_that_was_killed_continues_from_the_store(data: Path, local: Run, cluster: Cluster, home: Path, tmp_path: Path) -> None:
    arguments = command(data, tmp_path / "runs", cluster)
    struck = [sys.executable, "-m", "tests.end_to_end.interrupted", "feature extraction", "SIGKILL", *arguments]
    ended = subprocess.run(struck, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert ended.returncode == -9, ended.stderr
    again = subprocess.run([sys.executable, "-m", "transfer", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0, again.stderr
    assert "Extracting features (2 workers): 48 images" in again.stderr, again.stderr  # of 80; two batches of 16 were stored
    assert same(Run(tmp_path / "runs" / "run"), local)
