"""`transfer export` prints the table of exports, or one line that says what is wrong."""

from pathlib import Path

import pytest

from tests.exporters.formats import tiny_run
from transfer import cli
from transfer.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run.write(tmp_path_factory.mktemp("run"))


def test_the_command_prints_the_table(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["export", str(run.path), "--to", "onnx", "--output", str(tmp_path / "a.onnx"), "--assert-accuracy", "0"])
    assert done.value.code == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in printed[:3]] == [["format", "quantized"], ["savedmodel", "none"], ["onnx", "none"]]
    assert [line.split()[-1] for line in printed[1:3]] == ["export/1", str(tmp_path / "a.onnx")]
    assert printed[-1] == f"Written: {tmp_path / 'a.onnx'}"


def test_the_command_fails_in_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["export", str(run.path), "--to", "onix"])
    assert done.value.code == 2
    assert capsys.readouterr().err.startswith("error: Unknown format. Did you mean 'onnx'?")
