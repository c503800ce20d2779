"""What cannot be exported is refused at once, in one line that says what to do."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.export.portable import tiny_run
from transfer import cli
from transfer.errors import ConfigError, DataError, ExportError, RunError
from transfer.export.portable import exporting
from transfer.export.portable.request import request
from transfer.progress import Silent
from transfer.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run.write(tmp_path_factory.mktemp("portable"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"to": "onix"}, "Unknown format. Did you mean 'onnx'"),
        ({"to": "tflite"}, "Expected one of: litert, onnx, savedmodel"),
        ({"to": "onnx", "quantize": "int88"}, "Unknown quantization. Did you mean 'int8'"),
        ({"to": "savedmodel", "quantize": "int8"}, "not quantized: leave --quantize out"),
        ({"to": "onnx", "assert_accuracy": 93.0}, "from 0 to 1. Received 93"),
        ({"to": "onnx", "calibration_pictures": 10}, "goes with --quantize int8"),
        ({"to": "onnx", "quantize": "int8", "calibration_pictures": 0}, "at least 1"),
    ],
)
def test_names_and_numbers_that_cannot_be(run: Run, arguments: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        request(run, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("to", "quantize", "missing", "expected"),
    [
        ("litert", None, {"ai_edge_litert"}, r"ai-edge-litert\. .*pip install 'keras-transfer\[litert\]'"),
        ("litert", "int8", {"ai_edge_quantizer"}, r"ai-edge-quantizer\. .*pip install 'keras-transfer\[litert\]'"),
        ("onnx", None, {"tf2onnx", "onnxruntime"}, r"onnxruntime, tf2onnx\. .*pip install 'keras-transfer\[onnx\]'"),
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, to: str, quantize: str | None, missing: set[str], expected: str
) -> None:
    honest = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else honest(name))
    with pytest.raises(ExportError, match=expected):
        request(run, to, quantize)


def a_folder(folder: Path) -> Path:
    (folder / "a.onnx").mkdir()
    return folder / "a.onnx"


def there_already(folder: Path) -> Path:
    (folder / "a.onnx").touch()
    return folder / "a.onnx"


def below_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "a.onnx"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (a_folder, "this is a folder"),
        (there_already, "exists already"),
        (below_a_file, "is no folder"),
        (lambda folder: folder / "a.tflite", "ends in .onnx"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(run: Run, tmp_path: Path, place: Callable[[Path], Path], expected: str) -> None:
    with pytest.raises(RunError, match=expected):
        request(run, "onnx", output=place(tmp_path))


def test_nothing_is_written_into_the_data(run: Run) -> None:
    with pytest.raises(RunError, match="folder of the data"):
        request(run, "onnx", output=Path(str(run.config["data.source"])) / "red" / "a.onnx")


def test_a_file_is_replaced_where_that_is_asked_for(run: Run, tmp_path: Path) -> None:
    assert request(run, "onnx", output=there_already(tmp_path), overwrite=True).output == tmp_path / "a.onnx"


def test_a_savedmodel_is_written_to_a_new_folder_only(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist yet"):
        request(run, "savedmodel", output=tmp_path)


@pytest.fixture
def data(run: Run) -> Iterator[Path]:
    """Yield the run's data; whatever is done to them is undone."""
    root = Path(str(run.config["data.source"]))
    shutil.copytree(root, root.with_name("copy"))
    yield root
    shutil.rmtree(root, ignore_errors=True)
    os.rename(root.with_name("copy"), root)


def test_data_that_are_gone_are_a_clear_error(run: Run, data: Path) -> None:
    shutil.rmtree(data)
    with pytest.raises(DataError, match=r"Received '.*data'"):
        request(run, "litert")


@pytest.mark.parametrize(("split", "quantize"), [("test", None), ("train", "int8")])
@pytest.mark.parametrize("gone", [True, False])
def test_pictures_that_vanished_or_changed_stop_the_export(run: Run, data: Path, split: str, quantize: str | None, gone: bool) -> None:
    file = data / "blue" / f"{split}0.png"
    if gone:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes() + b"more")
    why = "No such file" if gone else "content has changed"
    with pytest.raises(DataError, match=rf"1 of \d+ pictures are not as they were.*blue/{split}0.png.*{why}"):
        exporting.export(request(run, "onnx", quantize), Silent())
    assert [path.name for path in (run.path / "export").iterdir()] == ["1"]


def test_the_command_prints_the_table(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["export", str(run.path), "--to", "onnx", "--output", str(tmp_path / "a.onnx"), "--assert-accuracy", "0"])
    assert done.value.code == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[1:3]] == ["savedmodel", "onnx"]
    assert printed[-1] == f"Written: {tmp_path / 'a.onnx'}"


def test_the_command_fails_in_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["export", str(run.path), "--to", "onix"])
    assert done.value.code == 2
    assert capsys.readouterr().err.startswith("error: Unknown format. Did you mean 'onnx'?")
