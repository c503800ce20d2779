"""A run opened in any of the ways that people name one, and what can be done with it."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import transfer
from tests.reports.made_up_findings import HOSTILE
from tests.reports.made_up_run import COLOURS, SIZE, write_run
from tests.reports.page import Page
from transfer import runs
from transfer.cli import main
from transfer.errors import ConfigError, OutputError, RunError
from transfer.serving import server
from transfer.serving.settings import Settings
from transfer.system.progress import Silent
from transfer.workflows.run import Run, opened

pytestmark = pytest.mark.usefixtures("each_export_is_loaded_once")


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


def test_the_report_of_a_named_run_is_written_again_and_says_what_is_missing() -> None:
    said: list[str] = []

    class Told(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    page = transfer.report("art", progress=Told())
    assert page == Path("saved_models/art/report.html") and page.is_file()
    assert said and said[0].startswith("The report shows no images of the data")


def test_an_export_of_a_named_run_is_refused_as_on_the_command_line() -> None:
    with pytest.raises(ConfigError, match=r"Unknown format\. Did you mean 'onnx'"):
        transfer.export("art", "onx")


def test_a_named_run_is_served_with_its_own_name_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[runs.Run, Settings]] = []
    monkeypatch.setattr(server, "serve", lambda run, own, taken: (taken.close(), served.append((run, own))))
    monkeypatch.setenv("TRANSFER_API_KEY", "secret")
    transfer.serve("art", port=0, max_images=16)
    ((run, own),) = served
    assert (run.path, own.name, own.max_images, own.max_megapixels) == (
        Path("saved_models/art"),
        "art",
        16,
        run.config["data.max_megapixels"],
    )
    assert own.api_key is not None and own.api_key.get_secret_value() == "secret"
    with pytest.raises(ConfigError, match=r"Received --max-imags|max_imags"):
        transfer.serve("art", port=0, max_imags=16)


def test_a_server_in_the_cell_of_a_notebook_is_refused_with_what_to_do() -> None:
    async def cell() -> None:
        transfer.serve("art", port=0)

    with pytest.raises(ConfigError, match="transfer serve in a terminal"):
        asyncio.run(cell())


def test_figures_of_a_run_are_matplotlib_figures_which_a_notebook_shows() -> None:
    run = transfer.Run("art")
    for figure, axes in ((run.plot_history(), 2), (run.plot_confusion(), 1), (run.plot_confusion("validation"), 1)):
        assert isinstance(figure, Figure) and len(figure.axes) == axes
        data, size = figure._repr_png_()  # type: ignore[attr-defined]
        assert data.startswith(b"\x89PNG") and size["width"] > 200
    with pytest.raises(ConfigError, match="expected test or validation"):
        run.plot_confusion("train")


def test_a_notebook_shows_a_run_with_hostile_names_escaped(tmp_path: Path) -> None:
    write_run(tmp_path / "<b>run", classes=HOSTILE[:4])
    source = transfer.Run(tmp_path / "<b>run")._repr_html_()
    assert "<script" not in source and "<img" not in source and "<b>" not in source
    shown = " ".join(Page(source).texts)
    for text in ("Run <b>run", "lenet, 16 px", "0.000 (95 %:", "on 4 images", "<script>alert(1)</script>.png", "caf\\xe9.png"):
        assert text in shown, text


def test_the_card_of_a_named_run_is_written_where_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert transfer.card("art") == Path("saved_models/art/model_card.md")
    assert Path("saved_models/art/model_card.md").read_text(encoding="utf-8").startswith("---\nlicense:")
    transfer.Run("art")  # it is a run all the same
    with pytest.raises(SystemExit) as ended:
        main(["card", "art", "--output", str(tmp_path / "hub" / "README.md")])
    assert ended.value.code == 0 and str(tmp_path / "hub" / "README.md") in capsys.readouterr().out
    with pytest.raises(OutputError, match=r"ends in \.md"):
        transfer.card("art", output=tmp_path / "card.txt")
    (tmp_path / "taken.md").mkdir()
    with pytest.raises(OutputError, match="already exists"):
        transfer.card("art", output=tmp_path / "taken.md")


def test_a_run_that_lacks_what_a_card_needs_is_one_line(tmp_path: Path) -> None:
    run = write_run(tmp_path / "poor")
    (run.path / "metrics.json").write_text('{"test": {}}')
    with pytest.raises(RunError, match="do not say what a card needs"):
        transfer.card(run.path)
