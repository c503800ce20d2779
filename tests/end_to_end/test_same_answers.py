"""The same images get the same answers everywhere: predictions.csv, predict, the server's routes, LiteRT and ONNX."""

import base64
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.end_to_end.common import digits_by_class
from tests.serving.running import Running, served
from transfer import fit, predict
from transfer.cli import main
from transfer.config import build
from transfer.data import sources
from transfer.data.pipeline import ImageSpec, batches
from transfer.exporters.formats.litert import InLiteRT
from transfer.exporters.formats.measure import Runtime
from transfer.exporters.formats.onnx_file import InONNXRuntime
from transfer.runs import Run
from transfer.system.progress import Silent

SAME = 1e-5
"""Between answers of the SavedModel, in batches of any size, as text or not."""
DISTANCE = 0.01
"""Of `ood_score`: rounding of the distance, divided by a threshold that is tiny for random weights."""
OTHER_RUNTIME = 1e-3
"""What LiteRT and ONNX state for a run in float32: `export.tolerance_float32`."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared home")


@pytest.fixture(autouse=True)
def cache_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRANSFER_HOME", str(home))
    return home


@pytest.fixture(scope="module", params=["lenet", "vgg16"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, home: Path) -> Run:
    folder = tmp_path_factory.mktemp("same answers")
    settings: dict[str, Any] = {
        "backbone": request.param,
        "image_size": 32,
        "precision": "float32",
        "compute": "tensorflow",
        "training.epochs": 8,
    }
    if request.param == "vgg16":
        settings |= {"weights": "random", "truncate_at": "block2_pool"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(home))
        return fit(digits_by_class(folder, 20), settings, name="run", output=folder)


@pytest.fixture(scope="module")
def test_rows(run: Run) -> pd.DataFrame:
    return run.predictions[run.predictions["split"] == "test"].reset_index(drop=True)


@pytest.fixture(scope="module")
def files(run: Run, test_rows: pd.DataFrame) -> list[Path]:
    return [Path(run.config["data.source"]) / path for path in test_rows["path"]]


@pytest.fixture(scope="module")
def server(run: Run) -> Iterator[Running]:
    with served(run.path / "export") as running:
        yield running


def require_same(rows: pd.DataFrame, classes: list[str], probabilities: Any, ood_score: Any, tolerance: float = SAME) -> None:
    assert len(rows) > 3
    np.testing.assert_allclose(np.asarray(probabilities, float), rows[classes].to_numpy(float), atol=tolerance)
    np.testing.assert_allclose(np.asarray(ood_score, float), rows["ood_score"].to_numpy(float), atol=DISTANCE)


def test_predict(run: Run, test_rows: pd.DataFrame, files: list[Path]) -> None:
    table = predict(run, files)
    assert list(table["label"]) == list(test_rows["predicted"])
    require_same(test_rows, run.labels, table[run.labels], table["ood_score"])
    assert list(table["is_ood"]) == [value > 1 for value in table["ood_score"]]


def test_tensorflow_servings_interface(run: Run, server: Running, test_rows: pd.DataFrame, files: list[Path]) -> None:
    instances = [{"b64": base64.b64encode(file.read_bytes()).decode()} for file in files]
    found = httpx.post(f"{server.model}:predict", json={"instances": instances}, trust_env=False).json()["predictions"]
    require_same(test_rows, run.labels, [one["probabilities"] for one in found], [one["ood_score"] for one in found])
    assert [one["label"] for one in found] == list(test_rows["predicted"]) and found[0]["classes"] == run.labels


def test_uploads_and_the_page(run: Run, server: Running, test_rows: pd.DataFrame, files: list[Path]) -> None:
    for (_, row), file in list(zip(test_rows.iterrows(), files, strict=True))[:4]:
        for route in ("/predict", "/explain"):
            answer = httpx.post(server.url + route, files={"file": file.read_bytes()}, trust_env=False).json()
            found = answer["predictions"][0] if "predictions" in answer else answer
            assert found["label"] == row["predicted"]
            assert found["ood_score"] == pytest.approx(row["ood_score"], abs=DISTANCE)
            by_class = {one["name"]: one["probability"] for one in found["classes"]}
            np.testing.assert_allclose([by_class[name] for name in run.labels], row[run.labels].to_numpy(float), atol=SAME)


@pytest.mark.parametrize(
    ("to", "name", "package", "opened"),
    [
        ("litert", "model.tflite", "ai_edge_litert", InLiteRT),
        ("onnx", "model.onnx", "onnxruntime", InONNXRuntime),
    ],
)
def test_portable_files(
    run: Run, test_rows: pd.DataFrame, to: str, name: str, package: str, opened: Callable[[Path, int], Runtime], tmp_path: Path
) -> None:
    try:
        importlib.import_module(package)
    except ImportError:
        pytest.skip(f"{package} comes with an extra: pip install -e '.[litert,onnx]'")
    with pytest.raises(SystemExit) as done:
        main(["export", str(run.path), "--to", to, "--output", str(tmp_path / name)])
    assert done.value.code == 0
    config = build([run.config])
    root = sources.root(config.data, Silent())
    names = [str(root / path).encode() for path in test_rows["path"]]
    runtime = opened(tmp_path / name, 1)
    found = [runtime.run(images.numpy().astype(np.float32)) for _, images in batches(names, ImageSpec(32, config.data), 1)]
    probabilities = np.concatenate([one["probabilities"] for one in found])
    ood_score = np.concatenate([one["ood_score"] for one in found])
    require_same(test_rows, run.labels, probabilities, ood_score, OTHER_RUNTIME)
