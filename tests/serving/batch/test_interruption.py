"""A table appears whole or not at all; the same command continues where it was interrupted, and the bytes are the same."""

import errno
import fcntl
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import made_up_image
from tests.reports.made_up_run import write_run
from transfer.errors import OutputError, RunError
from transfer.exporters.compute import choice
from transfer.exporters.served import Answers, Served
from transfer.runs import Run
from transfer.serving.batch import answering, prediction, shards, tables
from transfer.serving.batch.request import predict_request
from transfer.system.progress import Silent

ROOT = Path(__file__).resolve().parents[3]
FILES, SEGMENT = 22, 4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", export=True)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of four files, each in a shard of its own."""
    monkeypatch.setattr(answering, "_SEGMENT", SEGMENT)
    monkeypatch.setattr(prediction, "_SECONDS", 0.0)
    monkeypatch.setattr(tables, "_PART", 8)  # rows in each file of a folder


@pytest.fixture(scope="module", autouse=True)
def each_export_is_loaded_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "Served", functools.cache(Served))
        yield


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for number in range(FILES):
        made_up_image(number, tint=number).save(tmp_path / "data" / f"{number:02}.png")
    (tmp_path / "data" / "09.png").write_text("not an image at all")
    return tmp_path / "data"


Write = Callable[..., bytes]


def content_of(output: Path) -> bytes:
    """The bytes of a file, or of all files in a folder with their names."""
    if output.is_file():
        return output.read_bytes()
    return b"".join(os.fsencode(path.name) + path.read_bytes() for path in sorted(output.iterdir()))


@pytest.fixture
def write(run: Run, data: Path, tmp_path: Path) -> Write:
    """Return a function that predicts the folder into a file and returns its bytes."""

    def predicted(name: str = "out.csv", batch_size: int = 2, overwrite: bool = False) -> bytes:
        (tmp_path / "results").mkdir(exist_ok=True)
        output = tmp_path / "results" / name
        request = predict_request(run, [data], f"{tmp_path}/results/{name}", batch_size, overwrite, compute="tensorflow")
        summary = prediction.carry_out(request, Silent())
        assert (summary.files, summary.failed) == (FILES, 1)
        assert os.listdir(output.parent) == [name.rstrip("/")], "nothing hidden is left"
        return content_of(output)

    return predicted


def interrupt(monkeypatch: pytest.MonkeyPatch, batches: int, error: BaseException) -> None:
    """Let the network fail once, after this many batches."""
    left = [batches]
    really = Served.answer_decoded

    def answer(self: Served, images: np.ndarray) -> Answers:
        left[0] -= 1
        if left[0] == -1:
            raise error
        return really(self, images)

    monkeypatch.setattr(Served, "answer_decoded", answer)


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out/"])
def test_an_interrupted_prediction_continues_and_ends_with_the_same_bytes(
    write: Write, asked: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    interrupt(monkeypatch, 5, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        write(name)
    assert os.listdir(tmp_path / "results") == [f".{name.rstrip('/')}.unfinished"]
    assert asked == [2] * 5
    continued = write(name)
    assert sum(asked[5:]) == FILES - 1 - 2 * SEGMENT, "two segments of four were kept"
    (tmp_path / "results" / name).rename(tmp_path / "aside")
    assert write(name) == continued


def test_a_killed_prediction_continues_and_ends_with_the_same_bytes(
    run: Run, data: Path, write: Write, asked: list[int], tmp_path: Path
) -> None:
    output = tmp_path / "results" / "out.csv"
    command = [
        sys.executable,
        "-m",
        "tests.serving.batch.killed_predict",
        run.path,
        data,
        "--output",
        output,
        "--batch-size",
        "2",
        "--compute",
        "tensorflow",
    ]
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not output.exists()
    left = os.listdir(tmp_path / "results" / ".out.csv.unfinished")
    assert "000000000000.npz" in left
    assert "000000000004.npz" not in left
    assert len(left) == 4, "the lock, the facts, a shard, and one that was being written"
    continued = write()
    assert sum(asked) == FILES - 1 - SEGMENT
    assert write(overwrite=True) == continued


def start(write: Write, monkeypatch: pytest.MonkeyPatch, batches: int = 9) -> None:
    """Leave shards of an unfinished prediction."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt(patch, batches, KeyboardInterrupt())
        write()


def test_answers_for_a_file_that_was_changed_are_computed_again(
    write: Write, data: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    start(write, monkeypatch)
    asked.clear()
    made_up_image(3, tint=2).save(data / "05.png")
    os.utime(data / "05.png", ns=(1, 1))
    changed = write()
    assert sum(asked) == FILES - 3 * SEGMENT, "the other three segments that were done are kept, one of them with the damaged file"
    assert write(overwrite=True) == changed


@pytest.mark.parametrize("how", ["written over", "renamed to its place"])
def test_another_file_of_the_same_size_and_time_is_noticed(
    write: Write, data: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    start(write, monkeypatch)
    asked.clear()
    file, before = data / "05.png", (data / "05.png").stat()
    Image.new("RGB", (40, 30), "red").save(tmp_path / "new.png")
    content = (tmp_path / "new.png").read_bytes().ljust(before.st_size, b"\0")
    if how == "written over":
        file.write_bytes(content)
    else:
        (tmp_path / "new.png").write_bytes(content)
        (tmp_path / "new.png").rename(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    changed = write()
    assert sum(asked) == FILES - 3 * SEGMENT, "the other three segments that were done are kept, one of them with the damaged file"
    assert write(overwrite=True) == changed


@pytest.mark.parametrize("how", ["batch size", "export", "facts", "shard"])
def test_answers_that_are_no_longer_valid_are_computed_again(
    write: Write, run: Run, asked: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    start(write, monkeypatch)
    asked.clear()
    hidden = tmp_path / "results" / ".out.csv.unfinished"
    if how == "export":
        monkeypatch.setattr(prediction.foreign, "digest", lambda export: "another")
    elif how == "facts":
        (hidden / "facts.json").write_text("{")
    elif how == "shard":
        (hidden / "000000000000.npz").write_bytes(b"PK\3\4 damaged")
    write(batch_size=4 if how == "batch size" else 2)
    kept = 3 * SEGMENT - 1 if how == "shard" else 0  # the other three, one of them with the damaged file
    assert sum(asked) == FILES - 1 - kept


def test_files_added_at_the_end_are_all_that_is_computed(
    write: Write, run: Run, data: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    start(write, monkeypatch)
    asked.clear()
    made_up_image(50).save(data / "zz.png")
    summary = prediction.carry_out(predict_request(run, [data], tmp_path / "results" / "out.csv", 2, compute="tensorflow"), Silent())
    assert summary.files == FILES + 1
    assert sum(asked) == FILES + 1 - 4 * SEGMENT


def test_a_network_that_fails_keeps_what_was_computed(write: Write, asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    with monkeypatch.context() as patch:
        interrupt(patch, 5, tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"))
        with pytest.raises(RunError, match=r"too little memory.*--batch-size"):
            write()
    asked.clear()
    write()
    assert sum(asked) == FILES - 1 - 2 * SEGMENT


def test_a_full_disk_keeps_what_was_written_before(write: Write, asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    really, written = shards.write_arrays, []

    def full(path: Path, arrays: dict[str, np.ndarray]) -> None:
        written.append(path)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        really(path, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "write_arrays", full)
        with pytest.raises(OSError, match="No space left"):
            write()
    asked.clear()
    write()
    assert sum(asked) == FILES - 1 - 2 * SEGMENT


def test_a_table_that_cannot_be_finished_is_deleted_and_the_answers_are_kept(
    write: Write, asked: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("pandas.DataFrame.to_csv", full)
        with pytest.raises(OSError, match="No space left"):
            write()
    assert not (tmp_path / "results" / ".out.csv.unfinished" / "table").exists()
    asked.clear()
    write()
    assert asked == []


def test_two_processes_on_one_output_are_an_error_for_the_second(write: Write, tmp_path: Path) -> None:
    hidden = tmp_path / "results" / ".out.csv.unfinished"
    hidden.mkdir(parents=True)
    with (hidden / "lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunError, match=r"Another process \(number 4711\) writes this --output"):
            write()
    write()


def test_a_file_that_appears_meanwhile_is_not_replaced(run: Run, data: Path, tmp_path: Path) -> None:
    asked = predict_request(run, [data], tmp_path / "out.csv", compute="tensorflow")
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"already exists.*--overwrite"):
        prediction.carry_out(asked, Silent())
    assert (tmp_path / "out.csv").read_text() == "mine"
    assert not (tmp_path / ".out.csv.unfinished").exists()


def test_the_longest_name_of_a_file_can_be_written(write: Write) -> None:
    write("ü" * 120 + "xxxxxxxxxxx.csv")
