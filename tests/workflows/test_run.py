"""A run opened in any of the ways that people name one, and what can be done with it."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transfer
from tests.reports.made_up_run import COLOURS, SIZE, write_run
from transfer import runs
from transfer.errors import RunError
from transfer.exporters.served import Served
from transfer.models import openvino_engine
from transfer.workflows.run import Run, opened


@pytest.fixture(scope="module", autouse=True)
def each_export_is_loaded_once() -> Iterator[None]:
    """Loading an export costs a second or two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transfer.exporters.compute.choice.Served", functools.cache(Served))
        patch.setattr(openvino_engine, "version", lambda: None)  # which would be measured for each test
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the run saved_models/art, and an image."""
    folder = tmp_path_factory.mktemp("place")
    write_run(folder / "saved_models" / "art", export=True)
    Image.new("RGB", (30, 20), (220, 0, 0)).save(folder / "red.png")
    return folder


@pytest.fixture(autouse=True)
def there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


@pytest.mark.parametrize("named", ["art", Path("art"), "art/", "saved_models/art"])
def test_a_run_is_opened_by_its_folder_or_its_bare_name(named: str | Path) -> None:
    assert opened(named).path == transfer.Run(named).path == runs.Run(named).path == Path("saved_models/art")
    assert isinstance(opened(runs.Run(named)), Run)


def test_a_folder_of_the_same_name_that_is_no_run_does_not_hide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "art").mkdir()  # of the images
    write_run(tmp_path / "saved_models" / "art")
    assert opened("art").path == Path("saved_models/art")
    write_run(tmp_path / "own")
    write_run(tmp_path / "saved_models" / "own")
    assert opened("own").path == Path("own"), "a path is a path"


def test_an_open_run_is_taken_as_it_is_and_can_only_be_trusted_more() -> None:
    run = opened("art")
    assert opened(run) is run and not run.trust
    assert opened(run, trust=True).trust and opened(opened(run, trust=True)).trust
    assert opened(runs.Run("art", trust=True)).trust


@pytest.mark.parametrize("wrong", ["atr", "saved_models/none", "somewhere/art", "nothing\x00here"])
def test_a_run_that_is_not_there_is_one_line_which_names_a_similar_one(wrong: str) -> None:
    with pytest.raises(RunError, match="no such run") as raised:
        opened(wrong)
    assert ("Did you mean 'art'?" in str(raised.value)) == (wrong in ("atr", "somewhere/art"))


@pytest.mark.parametrize("wrong", [None, 3, ["art"]])
def test_what_names_no_run_is_refused(wrong: object) -> None:
    with pytest.raises(RunError, match=r"named by its folder, or its name under saved_models"):
        transfer.predict(wrong, "red.png")  # type: ignore[arg-type]


def test_prediction_takes_a_name_and_a_single_path_and_is_also_a_method() -> None:
    table = transfer.predict("art", "red.png")
    assert list(table["label"]) == ["red"]
    for other in (transfer.Run("art").predict(Path("red.png")), transfer.predict(runs.Run("art"), ["red.png"])):
        assert other.equals(table)


def test_explanation_takes_a_name_and_a_single_path(tmp_path: Path) -> None:
    done = transfer.explain("art", "red.png", output=tmp_path / "drawn")
    assert [item.label for item in done.images] == ["red"] and done.folder == tmp_path / "drawn"


def test_the_keras_model_of_a_run_answers_as_its_export() -> None:
    run = transfer.Run("art")
    answers = np.asarray(run.load_model()(np.full((1, SIZE, SIZE, 3), (10, 250, 20), np.float32)))
    assert run.labels[int(answers.argmax())] == COLOURS[1]
