"""Every notebook runs from beginning to end at a small size, and what it computes is right."""

import ast
import re
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

from tests.conftest import made_up_image

FOLDER = Path(__file__).parent.parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs a notebook in a folder of its own and returns the value of its `result`."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    for variable in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))

    def run(name: str, **parameters: Any) -> Any:
        notebook = nbformat.read(FOLDER / name, as_version=4)
        assert [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        notebook.cells.append(nbformat.v4.new_code_cell("result"))
        nbformat.write(notebook, tmp_path / "source.ipynb")
        done = papermill.execute_notebook(
            tmp_path / "source.ipynb", tmp_path / "done.ipynb", parameters, cwd=tmp_path, progress_bar=False, kernel_name="python3"
        )
        return ast.literal_eval(done.cells[-1].outputs[0].data["text/plain"])

    return run


def images(folder: Path, size: int = 36, count: int = 12) -> str:
    """Write a small folder of images of two classes and return its name."""
    for number, label in enumerate(("green", "red")):
        (folder / "made_up" / label).mkdir(parents=True)
        for index in range(count):
            made_up_image(100 * number + index, (size, size), number).save(folder / "made_up" / label / f"{index}.png")
    return "made_up"


def test_convolution_and_its_gradients_are_as_derived(execute: Any) -> None:
    result = execute("convolution.ipynb", WEIGHTS="random", SIZE=64)
    assert result["first layer"] == [3, 3, 3, 64]
    assert result["layers"] == {"block1_conv2": [64, 64, 64], "block3_conv3": [16, 16, 256], "block5_conv3": [4, 4, 512]}
    assert 0 < result["largest change when shifted"]["blur"] < result["largest change when shifted"]["max"]


def test_penalties_against_overfitting_make_weights_small(execute: Any) -> None:
    result = execute("overfitting.ipynb", METHODS=["none", "l1"], IMAGES=3, HELD_OUT=3, EPOCHS=12, UNITS=8)
    assert result["methods"] == ["none", "l1"]
    small = {method: row["weights below 0.001"] for method, row in result["table"].items()}
    assert small["l1"] > small["none"]
    assert all(0 <= row["low"] <= row["test accuracy"] <= row["high"] <= 1 for row in result["table"].values())


def test_how_deep_to_cut_tries_every_cut_it_is_given(execute: Any) -> None:
    settings = {"weights": "random", "precision": "float32", "compute": "tensorflow", "head.dense": [], "training.epochs": 2}
    result = execute(
        "how_deep_to_cut.ipynb", IMAGES="none", DIGITS_SIZE=32, DIGITS=5, DIGITS_TEST=3, CUTS=["block1_pool"], SETTINGS=settings
    )
    chosen = result["chosen"]["digits"]
    assert re.fullmatch(r"block[1-5]_pool(\+block[1-5]_pool)*", chosen)
    assert [(row["data"], row["cut"]) for row in result["table"]] == [("digits", cut) for cut in dict.fromkeys(["block1_pool", chosen])]
    for row in result["table"]:
        assert row["low"] <= row["accuracy"] <= row["high"]
        assert row["auto"] == (row["cut"] == chosen)


def test_a_search_is_compared_with_single_heads(execute: Any) -> None:
    settings = {"weights": "random", "precision": "float32", "compute": "tensorflow", "training.epochs": 2}
    result = execute("tune_the_head.ipynb", SIZE=32, IMAGES=5, TEST=3, TRIALS=4, FOLDS=2, SETTINGS=settings)
    assert [row["head"] for row in result["table"]] == ["top", "chosen", "all, means", "all, means and maxima", "all, linear", "tuned"]
    assert all(0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1 for row in result["table"])
    assert result["trials"] == 4 and 0 <= result["chosen"] < 4
    assert len(result["cuts"]) == 5 + 4


def test_the_served_model_answers_as_the_run_does(execute: Any, tmp_path: Path) -> None:
    settings = {"backbone": "mlp", "network.dense": [8], "training.epochs": 3}
    result = execute("your_folder_to_a_served_model.ipynb", IMAGES=images(tmp_path), SETTINGS=settings)
    assert result["found"]["images"] == 24 and result["found"]["left out"] == 0
    assert result["labels"] and set(result["labels"]) <= {"green", "red"}
    assert result["version"] == "1" and 0 <= result["accuracy"] <= 1


def test_three_ways_of_training_are_compared(execute: Any) -> None:
    small = {"image_size": 32, "head.dense": [], "training.epochs": 2}
    methods = {
        "frozen": small
        | {"backbone": "vgg16", "weights": "random", "truncate_at": "block1_pool", "precision": "float32", "compute": "tensorflow"},
        "lenet": {"backbone": "mlp", "network.dense": [8], "training.epochs": 2},
    }
    result = execute(
        "frozen_fine_tuned_or_scratch.ipynb", METHODS=methods, COMMON={"data.min_per_class": 3}, SIZES=[1, 2], SEEDS=[0],
        VALIDATION=2, TEST=2,
    )  # fmt: skip
    assert result["runs"] == 4 and result["pairs"] == 2
    assert set(result["accuracy"]) == set(methods) and all(0 <= value <= 1 for value in result["accuracy"].values())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_kept_outputs_are_of_a_clean_run_from_the_top(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert any(cell.outputs for cell in code)
    for output in (output for cell in code for output in cell.outputs):
        assert output.output_type != "error" and output.get("name") != "stderr"
    assert not re.search(r"/(work|home|root|tmp|Users|usr|var)/|[A-Z]:\\\\|site-packages|Warning:|partial-", text)
    assert "iopub" not in text and "papermill" not in text


def test_images_of_all_notebooks_are_below_a_megabyte() -> None:
    encoded = [
        output.data["image/png"]
        for path in NOTEBOOKS
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert encoded and sum(map(len, encoded)) < 1_000_000


def test_a_test_runs_every_notebook() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert NOTEBOOKS and [path.name for path in NOTEBOOKS if f'"{path.name}"' not in text] == []
