"""Adding k pictures costs k passes and moves no file; the user's folder is only read; two fits share one store."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.common import QUICK, contents, count_passes, digits_by_class, outcome, quick_arguments
from transfer import fit
from transfer.data import pipeline
from transfer.run import Run

COUNT, ADDED = 24, 7
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, with a picture of a format that must be transcoded, a copy, and files that cannot be used."""
    folder = digits_by_class(tmp_path_factory.mktemp("source"), COUNT + ADDED)
    for number in "012":
        for path in sorted((folder / number).iterdir())[COUNT:]:
            path.rename(folder.parent / f"later-{number}-{path.name}")
    Image.new("L", (9, 9), 77).save(folder / "0" / "picture.tiff")
    first = sorted((folder / "1").iterdir())[0]
    shutil.copy(first, folder / "1" / "copy.png")
    (folder / "2" / "empty.jpg").touch()
    (folder / "2" / "broken.png").write_bytes(first.read_bytes()[:70])
    return folder


def later(source: Path) -> list[Path]:
    return sorted(source.parent.glob("later-*"))


def splits(run: Run) -> dict[str, str]:
    used = run.manifest[run.manifest["reason"] == ""]
    return dict(zip(used["path"], used["split"], strict=True))


def test_added_pictures_cost_their_own_passes_and_move_no_file(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    shutil.copytree(source, data)
    passed = count_passes(monkeypatch)
    before = contents(data)
    first = fit(data, QUICK, name="first", output=tmp_path / "runs")
    assert contents(data) == before, "the user's folder is read only"
    distinct = 3 * COUNT + 1  # the copy is not computed again, the broken one never was
    assert passed() == distinct

    added = later(source)[:ADDED]
    for path in added:
        shutil.copy(path, data / path.name.split("-")[1] / path.name)
    second = fit(data, QUICK, name="second", output=tmp_path / "runs")
    assert passed() == distinct + len(added)
    old, new = splits(first), splits(second)
    assert {path: new[path] for path in old} == old
    assert len(new) == len(old) + len(added)

    third = fit(data, QUICK, name="third", output=tmp_path / "runs")
    assert passed() == distinct + len(added)
    assert outcome(third) == outcome(second)


def test_renamed_and_reordered_files_keep_their_split_and_their_features(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fit(source, QUICK, name="first", output=tmp_path)
    passed = count_passes(monkeypatch)
    moved = tmp_path / "moved"
    for path in (path for path in source.rglob("*") if path.is_file()):
        target = moved / path.parent.name / "deeper" / f"{path.stem[::-1]} renamed{path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    second = fit(moved, QUICK, name="second", output=tmp_path)
    assert passed() == 0
    by_content = [dict(zip(run.manifest["digest"], run.manifest["split"], strict=True)) for run in (first, second)]
    assert by_content[0] == by_content[1]


def test_two_fits_at_once_share_a_store_and_agree(source: Path, tmp_path: Path, cache_folder: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "transfer", *quick_arguments(source, tmp_path, name)],
            cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    printed = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], printed
    assert outcome(Run(tmp_path / "one")) == outcome(Run(tmp_path / "two"))
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]
    assert len([path for path in (cache_folder / "features").iterdir() if path.is_dir()]) == 1


def test_a_damaged_picture_is_noted_and_not_tried_again(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What TensorFlow alone finds broken, behind a whole header, is remembered by its content."""
    data = tmp_path / "data"
    shutil.copytree(source, data)
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    (data / "0" / "cut.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    judge, judged = pipeline.why_undecodable, []
    monkeypatch.setattr(pipeline, "why_undecodable", lambda file, pictures: judged.append(file) or judge(file, pictures))
    runs = [fit(data, QUICK, name=name, output=tmp_path / "runs") for name in ("first", "second")]
    for run in runs:
        (row,) = run.manifest[run.manifest["path"] == "0/cut.jpg"].itertuples()
        assert row.reason.startswith("damaged")
    assert [Path(os.fsdecode(file)).name for file in judged].count("cut.jpg") == 1
    assert outcome(runs[0]) == outcome(runs[1])
