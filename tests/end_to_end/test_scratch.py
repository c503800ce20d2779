"""Every network trained from scratch goes from files to a verified export, with the options of the literature."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.end_to_end.common import RUN_FILES, digits_by_class, disagreement, outcome
from transfer import fit
from transfer.config import read_yaml

SHORT = {"training.epochs": 4, "training.batch_size": 8}
NETWORKS: dict[str, dict[str, Any]] = {
    "lenet, blur": {"backbone": "lenet", "image_size": 16, "network": {"pooling": "blur", "activation": "relu"}},
    "alexnet": {"backbone": "alexnet", "image_size": 67, "network": {"filters": [4, 6, 8, 6, 6], "dense": [16, 8]}},
    "cifar, locally connected": {"backbone": "cifar", "image_size": 12, "network": {"filters": [4], "locally_connected": True, "l1": 1e-4}},
    "tiny_vgg": {
        "backbone": "tiny_vgg", "image_size": 16,
        "network": {"filters": [4, 6], "padding": "same", "dense": [8], "normalization": "batch", "dropout": 0.2, "color": "grey"},
    },
    "mlp, live views": {
        "backbone": "mlp", "image_size": 8, "network": {"dense": [8], "l2": 1e-4}, "augment": {"live": True, "flip": False, "crop": 0.1},
    },
    "a backbone as a whole": {
        "backbone": "mobilenet_v2", "image_size": 32, "weights": "random", "unfreeze_from": "all", "truncate_at": "block_2_add",
        "head": {"dense": [], "dropout": 0.1},
    },
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared home")


@pytest.fixture(autouse=True)
def cache_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRANSFER_HOME", str(home))
    return home


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_by_class(tmp_path_factory.mktemp("digits"), 14)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_trained_and_its_export_verified(data: Path, tmp_path: Path, name: str) -> None:
    run = fit(data, {**SHORT, **NETWORKS[name]}, name="run", output=tmp_path)
    assert {path.name for path in run.path.iterdir()} == RUN_FILES
    assert list(run.history["stage"]) == ["network"] * 4
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0], "it learns"
    assert disagreement(run) <= 1e-3 and run.metrics["weights_digest"] is None
    model = keras.saving.load_model(run.model, compile=False, safe_mode=True)
    assert run.metrics["parameters"]["trained"] == sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) > 0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_network_is_trained_in_16_bits_where_that_is_asked_for(data: Path, tmp_path: Path, precision: str) -> None:
    run = fit(data, {**SHORT, **NETWORKS["lenet, blur"], "precision": precision}, name="run", output=tmp_path)
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0]
    assert disagreement(run) <= 0.05
    model = keras.saving.load_model(run.model, compile=False, safe_mode=True)
    network = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    assert network.get_layer("c1").compute_dtype == precision and network.get_layer("logits").compute_dtype == "float32"
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}


def test_a_run_with_options_can_be_had_again(data: Path, tmp_path: Path) -> None:
    first = fit(data, {**SHORT, **NETWORKS["tiny_vgg"]}, name="first", output=tmp_path)
    again = fit(config=read_yaml(first.path / "config.yaml"), name="again", output=tmp_path)
    assert outcome(again) == outcome(first)
