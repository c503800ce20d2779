"""fit() with folds: what a run then holds, that it can be repeated, and every kind of training."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.end_to_end.common import OTHERS, QUICK, RUN_FILES, count_passes, digits_by_class, outcome
from transfer import fit
from transfer.config import read_yaml
from transfer.runs import Run

CLASSES = ["0", "1", "2"]
IMAGES = 3 * 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_by_class(tmp_path_factory.mktemp("data"), 12)


@pytest.fixture(scope="module", autouse=True)
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One feature store for all tests of this file."""
    return tmp_path_factory.mktemp("shared home")


@pytest.fixture(autouse=True)
def cache_folder(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRANSFER_HOME", str(shared_home))
    return shared_home


@pytest.fixture(scope="module")
def averaged(data: Path, shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(shared_home))
        passed = count_passes(patch)
        run = fit(data, QUICK, name="run", output=tmp_path_factory.mktemp("output"), folds=3, average_folds=True)
        assert passed() == IMAGES + OTHERS, "nothing is extracted again for the folds"
    return run


def test_a_run_holds_a_prediction_of_every_image_and_figures_over_folds(averaged: Run, shared_home: Path) -> None:
    assert {path.name for path in averaged.path.iterdir()} == RUN_FILES | {"oof_predictions.csv"}
    table, found = averaged.oof_predictions, averaged.metrics["cross_validation"]
    assert table is not None and len(table) == IMAGES
    assert list(table.columns) == ["path", "split", "label", "fold", "predicted", *CLASSES]
    assert set(table["fold"]) == {"1", "2", "3", "test"}
    fitted = table[table["split"] != "test"]
    assert found["pooled"]["accuracy"] == pytest.approx((fitted["label"] == fitted["predicted"]).mean())
    assert found["images"] == len(fitted) and found["folds"] == 3 and found["averaged"]
    assert averaged.metrics["timing"]["cross-validation"] > 0
    of_test = averaged.predictions[averaged.predictions["split"] == "test"].set_index("path")[CLASSES]
    np.testing.assert_allclose(table[table["fold"] == "test"].set_index("path").loc[of_test.index, CLASSES], of_test)
    assert not list(shared_home.rglob("checkpoints/*.npz"))


def test_the_exported_model_is_the_average_of_the_heads(averaged: Run) -> None:
    model = keras.saving.load_model(averaged.model)
    heads = model.get_layer("head")
    assert [layer.name for layer in heads.layers if layer.name.startswith("head_")] == ["head_1", "head_2", "head_3"]
    assert averaged.metrics["parameters"]["trained"] == 3 * (128 * 3 + 3)
    shown = averaged.predictions[averaged.predictions["split"] == "validation"]
    oof = averaged.oof_predictions
    assert oof is not None and list(shown["predicted"]) == list(oof.set_index("path").loc[shown["path"], "predicted"])


def test_its_configuration_gives_the_same_run_again(averaged: Run, tmp_path: Path) -> None:
    again = fit(config=read_yaml(averaged.path / "config.yaml"), name="again", output=tmp_path)
    assert outcome(again) == outcome(averaged)
    assert (again.path / "oof_predictions.csv").read_bytes() == (averaged.path / "oof_predictions.csv").read_bytes()
    assert (again.path / "config.yaml").read_text() == (averaged.path / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("settings", "average"),
    [
        ({"head.kind": "linear", "truncate_at": ["block1_pool", "block2_pool"], "augment.views": 1}, True),
        ({"unfreeze_from": "block2_conv2", "fine_tuning.epochs": 1}, False),
        ({"backbone": "lenet", "truncate_at": "top", "weights": "imagenet"}, False),
    ],
    ids=["linear", "fine-tuned", "from scratch"],
)
def test_every_kind_of_training_has_folds(data: Path, tmp_path: Path, settings: dict[str, Any], average: bool) -> None:
    given = {key: value for key, value in QUICK.items() if settings.get("backbone") is None or not key.startswith("head.")} | settings
    run = fit(data, given, name="folds", output=tmp_path, folds=2, average_folds=average)
    table = run.oof_predictions
    assert table is not None and len(table) == IMAGES and set(table["fold"]) == {"1", "2", "test"}
    alone = fit(data, given, name="alone", output=tmp_path)
    assert alone.oof_predictions is None and "cross_validation" not in alone.metrics
    if not average:  # the folds change nothing in what is exported
        assert alone.metrics["test"] == run.metrics["test"] and alone.metrics["validation"] == run.metrics["validation"]
