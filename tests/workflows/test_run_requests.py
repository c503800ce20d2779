"""An export that cannot be made is refused at once, in one line that says what to do."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.exporters.formats import tiny_run
from transfer.errors import ConfigError, DataError, ExportError, OutputError
from transfer.runs import Run
from transfer.system.progress import Silent
from transfer.workflows.export import carry_out
from transfer.workflows.run_requests import export_request


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run.write(tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"to": "onix"}, "Unknown format. Did you mean 'onnx'"),
        ({"to": "tflite"}, "Expected one of: litert, onnx, savedmodel"),
        ({"to": "onnx", "quantize": "int88"}, "Unknown quantization. Did you mean 'int8'"),
        ({"to": "savedmodel", "quantize": "int8"}, "not quantized: leave --quantize out"),
        ({"to": "onnx", "assert_accuracy": 93.0}, "from 0 to 1. Received 93"),
        ({"to": "onnx", "max_accuracy_loss": 2.0}, "--max-accuracy-loss is a fraction .* from 0 to 1. Received 2"),
        ({"to": "onnx", "max_accuracy_loss": float("nan")}, "from 0 to 1. Received nan"),
        ({"to": "onnx", "calibration_images": 10}, "needs --quantize int8"),
        ({"to": "onnx", "quantize": "int8", "calibration_images": 0}, "at least 1"),
    ],
)
def test_invalid_names_and_numbers_are_refused(run: Run, arguments: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        export_request(run, **arguments)  # type: ignore[arg-type]


def test_formats_are_matched_without_regard_to_case(run: Run) -> None:
    request = export_request(run, "ONNX", "INT8")
    assert (request.to, request.quantize) == ("onnx", "int8")


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
        export_request(run, to, quantize)


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
        (a_folder, "already exists. Expected a new file"),
        (there_already, "already exists.*--overwrite"),
        (below_a_file, "is not a folder"),
        (lambda folder: folder / "a.tflite", "must end in .onnx"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(run: Run, tmp_path: Path, place: Callable[[Path], Path], expected: str) -> None:
    with pytest.raises(OutputError, match=expected):
        export_request(run, "onnx", output=place(tmp_path))


def test_nothing_is_written_into_the_data(run: Run) -> None:
    with pytest.raises(OutputError, match="where nothing is written"):
        export_request(run, "onnx", output=Path(str(run.config["data.source"])) / "red" / "a.onnx")


def test_a_file_is_replaced_on_request(run: Run, tmp_path: Path) -> None:
    assert export_request(run, "onnx", output=there_already(tmp_path), overwrite=True).output == tmp_path / "a.onnx"


def test_a_savedmodel_is_written_to_a_new_folder_only(run: Run, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist yet"):
        export_request(run, "savedmodel", output=tmp_path)


@pytest.fixture
def data(run: Run) -> Iterator[Path]:
    """Yield the folder of the run's data; changes to it are undone."""
    root = Path(str(run.config["data.source"]))
    shutil.copytree(root, root.with_name("copy"))
    yield root
    shutil.rmtree(root, ignore_errors=True)
    os.rename(root.with_name("copy"), root)


def test_missing_data_are_a_clear_error(run: Run, data: Path) -> None:
    shutil.rmtree(data)
    with pytest.raises(DataError, match=r"Received '.*data'"):
        export_request(run, "litert")


@pytest.mark.parametrize(("split", "quantize"), [("test", None), ("train", "int8")])
@pytest.mark.parametrize("gone", [True, False])
def test_images_that_are_missing_or_have_changed_stop_the_export(
    run: Run, data: Path, split: str, quantize: str | None, gone: bool
) -> None:
    file = data / "blue" / f"{split}0.png"
    if gone:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes() + b"more")
    why = "No such file" if gone else "content has changed"
    with pytest.raises(DataError, match=rf"1 of \d+ images are missing or have changed.*blue/{split}0.png.*{why}"):
        carry_out(export_request(run, "onnx", quantize), Silent())
    assert [path.name for path in (run.path / "export").iterdir()] == ["1"]
