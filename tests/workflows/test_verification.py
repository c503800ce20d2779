"""The look at everything that is kept on disk finds what was damaged, and nothing else."""

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import made_up_image
from tests.data.decoding import encoders as e
from tests.test_runs_damage import publish
from transfer.data import scan_memory
from transfer.data.decoding.transcode import transcode
from transfer.data.scan_memory import RACY_NS, RECORD, Memory, Verdict
from transfer.data.sources.tfds import cache
from transfer.runs import EXPORT_CHECKSUMS
from transfer.system import sealed
from transfer.system.checksums import checksum_of_file
from transfer.workflows.comparison import folder as comparisons
from transfer.workflows.verification import verify_cache, verify_folder


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.fixture
def kept(cache_folder: Path) -> dict[str, Path]:
    """One file of each kind in the cache."""
    root = cache_folder / "data"
    records = np.zeros(1, RECORD)
    records["digest"] = 1
    scan_memory.save(root, 1.0, Memory(["a"], records, [Verdict()]), np.array([RACY_NS + 1]), Memory([], np.zeros(0, RECORD), []))
    sealed.write_arrays(cache_folder / "checkpoints" / "c.npz", {"a": np.ones(9)})
    sealed.write_json(cache_folder / "compute" / "p.json", {"precision": "float32"})
    sealed.write_json(cache_folder / "weights" / "mobilenet_v2-imagenet-keras-3.json", {"digest": "00"})
    cache.fill(cache_folder / "tfds" / "set", "print", {"train": "train"}, [("train", e.saved(made_up_image(1), "PNG"), "a")])
    return {
        "scan": scan_memory.memory_path(root),
        "checkpoint": cache_folder / "checkpoints" / "c.npz",
        "compute": cache_folder / "compute" / "p.json",
        "weights": cache_folder / "weights" / "mobilenet_v2-imagenet-keras-3.json",
        "converted": transcode(e.saved(made_up_image(2), "TIFF"), "0" * 64),
        "tfds image": cache_folder / "tfds" / "set" / "train" / "00000000.png",
        "tfds index": cache_folder / "tfds" / "set" / "index.json",
    }


def test_each_damaged_file_of_the_cache_is_found(kept: dict[str, Path]) -> None:
    assert list(verify_cache()) == []
    for path in kept.values():
        content = path.read_bytes()
        flip(path)
        ((found, problem),) = verify_cache()
        assert found == path and problem.startswith("damaged, or of an earlier version: ")
        path.write_bytes(content)
    assert list(verify_cache()) == []


def test_an_empty_cache_has_no_damage() -> None:
    assert list(verify_cache()) == []


def test_wrong_weights_in_the_cache_are_found(cache_folder: Path) -> None:
    (cache_folder / "weights").mkdir()
    np.savez(cache_folder / "weights" / "vgg16-imagenet.npz", w0=np.ones(3))
    np.savez(cache_folder / "weights" / "of_another_program-imagenet.npz", w0=np.ones(3))
    ((found, problem),) = verify_cache()
    assert found.name == "vgg16-imagenet.npz" and "not the published weights" in problem


def test_damaged_files_of_a_run_and_its_export_are_found(tmp_path: Path) -> None:
    run = publish(tmp_path)
    version = run.export
    (version / "saved_model.pb").write_bytes(bytes(100))
    sealed.write_list(version, ["saved_model.pb"], EXPORT_CHECKSUMS)
    assert list(verify_folder(run.path)) == []
    for path in (run.path / "history.csv", run.path / sealed.LIST, version / "saved_model.pb"):
        content = path.read_bytes()
        flip(path)
        assert [found for found, _ in verify_folder(run.path)] == [path]
        path.write_bytes(content)


def test_damaged_files_of_a_comparison_and_of_an_unfinished_prediction_are_found(tmp_path: Path) -> None:
    done = tmp_path / "comparison"
    (done / comparisons.RECORDS).mkdir(parents=True)
    record = done / comparisons.RECORDS / "a.json"
    sealed.write_json(record, {"identity": "a"})
    sealed.write_json(done / comparisons.RATES, {"x": {"seconds": 1.0}})
    (done / comparisons.RUNS).write_text("run\n")
    checksums = {comparisons.RUNS: checksum_of_file(done / comparisons.RUNS)}
    sealed.write_json(done / comparisons.FACTS, {comparisons.CHECKSUMS: checksums})
    pieces = tmp_path / ".out.csv.unfinished"
    sealed.write_arrays(pieces / "000000000000.npz", {"a": np.ones(9)})
    for folder, path in [
        (done, record), (done, done / comparisons.RATES), (done, done / comparisons.FACTS), (done, done / comparisons.RUNS),
        (pieces, pieces / "000000000000.npz"),
    ]:  # fmt: skip
        assert list(verify_folder(folder)) == []
        content = path.read_bytes()
        flip(path)
        assert [found for found, _ in verify_folder(folder)] == [path]
        path.write_bytes(content)
