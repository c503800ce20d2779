"""A Ray cluster of two nodes gives the bytes that this process gives, whatever is killed meanwhile."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the extra `ray`")

from ray.cluster_utils import Cluster

from tests.conftest import made_up_image
from tests.engines.cluster import a_node_killed, two_nodes
from tests.reports.made_up_run import write_run
from transfer.reports.predicted import Summary
from transfer.runs import Run
from transfer.serving.batch import answering, prediction, tables
from transfer.serving.batch.request import predict_request
from transfer.system.progress import Advance, Silent
from transfer.workflows.predict import predict

ROOT = Path(__file__).resolve().parents[3]
FILES, SEGMENT = 60, 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with two_nodes(object_store_memory=80_000_000) as made:
        yield made


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", export=True)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of four files, as in `killed_predict.py`."""
    monkeypatch.setattr(answering, "_SEGMENT", SEGMENT)
    monkeypatch.setattr(prediction, "_SECONDS", 0.0)
    monkeypatch.setattr(tables, "_PART", 16)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for number in range(FILES):
        made_up_image(number, (300, 200), tint=number).save(folder / f"{number:02}.png")
    (folder / "09.png").write_text("not an image at all")
    return folder


class Counting(Silent):
    """Counts the files that are done."""

    done = 0

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
        def advance(count: int) -> None:
            self.done += count

        yield advance


Write = Callable[..., tuple[Summary, bytes]]


@pytest.fixture
def write(run: Run, data: Path, tmp_path: Path, cluster: Cluster) -> Write:
    """Return a function that predicts the folder by an engine: the summary, and the bytes of what was written."""

    def written(name: str, kind: str, progress: Silent | None = None) -> tuple[Summary, bytes]:
        output = tmp_path / kind / name
        layer = {"engine.kind": kind, "engine.address": cluster.address, "engine.retries": 5}
        request = predict_request(run, [data], f"{tmp_path}/{kind}/{name}", 2, compute="tensorflow", settings=[layer])
        summary = prediction.carry_out(request, progress or Silent())
        assert os.listdir(output.parent) == [name.rstrip("/")]
        files = sorted(output.iterdir()) if output.is_dir() else [output]
        return summary, b"".join(os.fsencode(file.name) + file.read_bytes() for file in files)

    return written


def test_a_cluster_gives_the_same_table_with_a_node_killed(write: Write, cluster: Cluster) -> None:
    progress = Counting()
    with a_node_killed(cluster, lambda: progress.done > SEGMENT):
        summary, written = write("out.parquet", "ray", progress)
    assert (summary.files, summary.failed) == (FILES, 1)
    assert written == write("out.parquet", "local")[1]


@pytest.mark.slow
def test_a_killed_driver_continues_and_ends_with_the_same_parts(
    write: Write, run: Run, data: Path, tmp_path: Path, cluster: Cluster, cache_folder: Path
) -> None:
    words = [run.path, data, "--output", f"{tmp_path}/ray/out/", "--batch-size", "2", "--compute", "tensorflow", "--engine", "ray"]
    words += ["--set", f"engine.address={cluster.address}", "--set", "engine.retries=5"]
    command = [sys.executable, "-m", "tests.serving.batch.killed_predict", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert os.listdir(tmp_path / "ray") == [".out.unfinished"]
    assert len(list((tmp_path / "ray" / ".out.unfinished").glob("[0-9]*.npz"))) == 1
    progress = Counting()
    written = write("out/", "ray", progress)[1]
    assert progress.done == FILES - SEGMENT, "one segment was kept"
    assert written == write("out/", "local")[1]


def test_an_interrupted_driver_ends_at_once_and_keeps_what_was_done(write: Write, tmp_path: Path) -> None:
    class Interrupting(Counting):
        @contextmanager
        def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
            def advance(count: int) -> None:
                self.done += count
                if self.done > 2 * SEGMENT:
                    raise KeyboardInterrupt

            yield advance

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        write("out.csv", "ray", Interrupting())
    assert len(list((tmp_path / "ray" / ".out.csv.unfinished").glob("[0-9]*.npz"))) == 2
    assert threading.active_count() <= before + 2
    assert write("out.csv", "ray")[1] == write("out.csv", "local")[1]


@pytest.mark.slow
def test_from_python(run: Run, data: Path, cluster: Cluster) -> None:
    there = predict(run, [data], batch_size=2, compute="tensorflow", engine={"kind": "ray", "address": cluster.address})
    assert there.equals(predict(run, [data], batch_size=2, compute="tensorflow"))
