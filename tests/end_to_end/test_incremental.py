"""Adding k images costs k passes and moves no file; the user's folder is only read; two fits share one store."""

import io
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.common import OTHERS, QUICK, contents, count_passes, digits_by_class, outcome, quick_arguments
from transfer import fit
from transfer.data import pipeline
from transfer.evaluation.ood import Reference
from transfer.runs import OOD_REFERENCE, Run
from transfer.workflows import ood

COUNT, ADDED = 24, 7
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class First:
    """A first fit: its folder before and after it, how many images passed, and images to add later."""

    data: Path
    before: dict[str, tuple[int, int, bytes]]
    run: Run
    after: dict[str, tuple[int, int, bytes]]
    passed: int
    later: list[Path]


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared home")


@pytest.fixture(scope="module")
def first(shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> First:
    data = digits_by_class(tmp_path_factory.mktemp("source"), COUNT + ADDED)
    later = [path for number in "012" for path in sorted((data / number).iterdir())[COUNT:]][:ADDED]
    for number in "012":
        for path in sorted((data / number).iterdir())[COUNT:]:
            path.rename(data.parent / f"{number}-{path.name}")
    add_odd_files(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(shared_home))
        passed, before = count_passes(patch), contents(data)
        run = fit(data, QUICK, name="first", output=tmp_path_factory.mktemp("runs"))
        return First(data, before, run, contents(data), passed(), later)


def add_odd_files(data: Path) -> None:
    """Add what must be transcoded, a copy, and what cannot be used: one sort of it only TensorFlow finds broken."""
    Image.new("L", (9, 9), 77).save(data / "0" / "image.tiff")
    shutil.copy(sorted((data / "1").iterdir())[0], data / "1" / "copy.png")
    (data / "2" / "empty.jpg").touch()
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)).save(buffer, "JPEG")
    (data / "2" / "cut.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])


def splits(run: Run, key: str = "path") -> dict[str, str]:
    """Path or digest of each file -> split; empty for those not used."""
    return dict(zip(run.manifest[key], run.manifest["split"], strict=True))


def test_the_users_folder_is_only_read(first: First) -> None:
    assert first.after == first.before


def test_each_content_passes_once(first: First) -> None:
    assert first.passed == 3 * COUNT + 1 + OTHERS  # the TIFF as well; neither the copy nor what is broken
    reasons = dict(zip(first.run.manifest["path"], first.run.manifest["reason"], strict=True))
    assert reasons["2/empty.jpg"] == "empty file"
    assert reasons["2/cut.jpg"].startswith("damaged")
    assert reasons["0/image.tiff"] == reasons["1/copy.png"] == ""


def test_added_images_cost_their_own_passes_and_move_no_file(
    first: First, shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSFER_HOME", str(shared_home))
    data = tmp_path / "data"
    shutil.copytree(first.data, data)
    for path in first.later:
        shutil.copy(first.data.parent / f"{path.parent.name}-{path.name}", data / path.parent.name / path.name)
    judge, judged = pipeline.why_undecodable, []
    monkeypatch.setattr(pipeline, "why_undecodable", lambda file, images: judged.append(file) or judge(file, images))
    passed = count_passes(monkeypatch)
    second = fit(data, QUICK, name="second", output=tmp_path / "runs")
    assert passed() == ADDED
    assert judged == [], "the damaged image is not tried again"
    old, new = splits(first.run), splits(second)
    assert {path: new[path] for path in old} == old
    assert len(new) == len(old) + ADDED


def test_renamed_and_moved_files_keep_their_split_and_their_features(
    first: First, shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSFER_HOME", str(shared_home))
    for path in (path for path in first.data.rglob("*") if path.is_file()):
        target = tmp_path / "moved" / path.parent.name / "deeper" / f"{path.stem[::-1]} renamed{path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    passed = count_passes(monkeypatch)
    second = fit(tmp_path / "moved", QUICK, name="second", output=tmp_path)
    assert passed() == 0
    assert splits(second, "digest") == splits(first.run, "digest")


def test_another_head_computes_no_feature_and_no_thumbnail_again(
    first: First, shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSFER_HOME", str(shared_home))
    made, asked = ood.jpegs, []
    monkeypatch.setattr(ood, "jpegs", lambda root, rows, *more: asked.append(len(rows)) or made(root, rows, *more))
    passed = count_passes(monkeypatch)
    second = fit(first.data, QUICK | {"head.dropout": 0.4}, name="second", output=tmp_path)
    assert passed() == 0 and asked == [0]
    old, new = (Reference.read(run.path / OOD_REFERENCE) for run in (first.run, second))
    assert new.thumbnails == old.thumbnails and all(new.thumbnails)
    assert second.metrics["ood"]["others"] == first.run.metrics["ood"]["others"]


def test_two_fits_at_once_share_a_store_and_agree(first: First, tmp_path: Path, cache_folder: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "transfer", *quick_arguments(first.data, tmp_path, name)],
            cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    printed = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], printed
    assert outcome(Run(tmp_path / "one")) == outcome(Run(tmp_path / "two")) == outcome(first.run)
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]
    assert len([path for path in (cache_folder / "features").iterdir() if path.is_dir()]) == 1
