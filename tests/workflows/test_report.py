"""The page of a finished run made again: with the images that are still what they were, and without the others."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from tests.reports.made_up_run import COLOURS, write_run
from tests.reports.page import Page
from transfer.cli import main
from transfer.data import dataset as manifests
from transfer.models import openvino_engine
from transfer.runs import MANIFEST, Run
from transfer.system.progress import Silent
from transfer.workflows import report

VALUES = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200)}


def made(folder: Path) -> tuple[Run, Path]:
    """Write a run and the images that its manifest names; its made-up predictions take red for blue and blue for red."""
    data = folder / "data"
    run = write_run(folder / "run", export=True, data__source=str(data))
    manifest = run.manifest
    for position, row in manifest[manifest["status"] == "used"].iterrows():
        file = data / row["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), VALUES[row["label"]]).save(file)
        manifest.loc[position, "digest"] = hashlib.sha256(file.read_bytes()).hexdigest()
    manifests.write(manifest, run.path / MANIFEST)
    return Run(run.path), data


_VERSION = openvino_engine.version


@pytest.fixture(autouse=True)
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be measured for each test."""
    monkeypatch.setattr(openvino_engine, "version", lambda: None)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    return made(tmp_path_factory.mktemp("shared"))


def page_of(run: Run) -> Page:
    return Page(run.report.read_text(encoding="utf-8"))


def test_mistakes_are_shown_with_what_was_evidence_for_each_class(shared: tuple[Run, Path]) -> None:
    run, _ = shared
    assert report.again(run, Silent()) == []
    page = page_of(run)
    assert "evidence for blue" in page.texts and "evidence for red" in page.texts
    images = [value for name, value in page.attributes if name == "src"]
    assert len(images) == 2 * 3 + 3, "two mistakes with two heat maps each, and each class's own image"
    assert all((image or "").startswith("data:image/") for image in images)


def test_engines_of_this_machine_are_measured_and_listed(shared: tuple[Run, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = shared
    report.again(run, Silent())
    assert "Engines" not in page_of(run).texts, "there is only one"
    if _VERSION() is None:
        pytest.skip("needs: pip install -e '.[openvino]'")
    monkeypatch.setattr(openvino_engine, "version", _VERSION)
    report.again(run, Silent())
    texts = page_of(run).texts
    assert "Engines" in texts and f"OpenVINO {_VERSION()}" in texts


def test_the_data_is_only_read(shared: tuple[Run, Path]) -> None:
    run, data = shared
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    report.again(run, Silent())
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def test_images_that_changed_or_are_gone_are_left_out_and_counted(tmp_path: Path) -> None:
    run, data = made(tmp_path)
    (data / "red" / "test.png").unlink()
    Image.new("RGB", (9, 9), (1, 2, 3)).save(data / "blue" / "test.png")
    assert report.again(run, Silent()) == ["2 images are missing or have changed and are not shown."]
    page = page_of(run)
    assert "evidence for blue" not in page.texts and "not shown" in page.texts
    assert len([name for name, _ in page.attributes if name == "src"]) == 1


def test_without_the_data_the_page_is_made_without_images(tmp_path: Path) -> None:
    run, data = made(tmp_path)
    data.rename(tmp_path / "elsewhere")
    (said,) = report.again(run, Silent())
    assert said.startswith("The report shows no images of the data: ")
    assert "Worst mistakes" in page_of(run).headings


def test_the_command_makes_the_page_and_says_where_it_is(shared: tuple[Run, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run, _ = shared
    run.report.unlink()
    with pytest.raises(SystemExit) as done:
        main(["report", str(run.path)])
    assert done.value.code == 0 and run.report.is_file()
    assert f"Report         {run.report}" in capsys.readouterr().out


def test_open_asks_for_a_browser(shared: tuple[Run, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = shared
    asked: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: asked.append(address))  # none is there: None is returned
    with pytest.raises(SystemExit):
        main(["report", str(run.path), "--open"])
    assert asked == [run.report.absolute().as_uri()]
    assert "No browser" in capsys.readouterr().err


def test_other_data_is_judged_kept_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, _ = made(tmp_path)
    strange = tmp_path / "white things"
    strange.mkdir()
    for number in range(3):
        Image.new("RGB", (12, 12), (200 + number,) * 3).save(strange / f"{number}.png")
    (strange / "notes.txt").write_text("no image")
    with pytest.raises(SystemExit) as done:
        main(["report", str(run.path), "--other", str(strange)])
    assert done.value.code == 0
    assert "3 images of white things: found (100.0 % called out of distribution, AUROC 1.000)" in capsys.readouterr().out
    kept = Run(run.path).metrics["ood"]["others"]
    assert kept["white things"] == {"images": 3, "auroc": 1.0, "flagged": 1.0} and "handwritten digits" in kept
    assert "white things" in page_of(run).texts


def test_other_data_without_an_image_is_a_clear_error(shared: tuple[Run, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(SystemExit) as done:
        main(["report", str(shared[0].path), "--other", str(tmp_path)])
    assert done.value.code == 2
    assert "error: None of the files is an image that can be decoded" in capsys.readouterr().err


def test_the_three_classes_of_the_made_up_run_are_the_ones_used_here() -> None:
    assert tuple(VALUES) == COLOURS
