"""`--trust`: without it, models that could do more than compute are refused, in one line, by every command that loads them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import made_up_image
from tests.exporters import hostile
from tests.reports.made_up_run import write_run
from transfer import cli, predict
from transfer.errors import RunError
from transfer.runs import Run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose graph holds an operation that reads files, where nothing calls it."""
    folder = tmp_path_factory.mktemp("runs")
    run = write_run(folder / "run", export=True, data__source=str(folder / "data"))
    hostile.edited(run.export, lambda meta: meta.graph_def.node.add(name="sly", op="ReadFile"))
    for number, name in enumerate(run.labels):
        (folder / "data" / name).mkdir(parents=True)
        made_up_image(number, tint=number).save(folder / "data" / name / "0.png")
    return run.path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as done:
            cli.main(list(map(str, arguments)))
        captured = capsys.readouterr()
        return int(done.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def image(tmp_path: Path) -> Path:
    made_up_image(0).save(tmp_path / "x.png")
    return tmp_path / "x.png"


@pytest.mark.parametrize("command", ["predict", "explain", "report"])
def test_a_run_is_refused_unless_it_is_trusted(command: str, call: Call, run: Path, image: Path) -> None:
    arguments = [command, run] if command == "report" else [command, run, image]
    status, printed, errors = call(*arguments)
    assert (status, printed) == (2, "")
    line = errors.splitlines()[-1]
    assert "Found the operation ReadFile." in line
    assert "add --trust" in line
    status, printed, errors = call(*arguments, "--trust")
    assert status == 0, errors


def test_serve_refuses_it_and_ends(call: Call, run: Path) -> None:
    status, _, errors = call("serve", run, "--port", "0")
    assert status == 2
    assert "Found the operation ReadFile." in errors.splitlines()[-1]


def test_in_python_a_run_is_trusted_when_it_is_opened(run: Path, image: Path) -> None:
    with pytest.raises(RunError, match=r"Found the operation ReadFile.*Run\(path, trust=True\)"):
        predict(Run(run), [image])
    assert len(predict(Run(run, trust=True), [image])) == 1


@pytest.mark.parametrize("command", ["predict", "explain", "report", "serve", "export"])
def test_the_help_names_it(command: str, call: Call) -> None:
    status, printed, _ = call(command, "--help")
    assert status == 0
    assert "--trust" in printed
