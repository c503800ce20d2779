"""Fine-tuning from files to a verified export: what trains, from what it starts, and that it can be interrupted."""

import functools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.end_to_end.common import QUICK, RUN_FILES, count_passes, digits_by_class, disagreement, outcome
from transfer import fit
from transfer.errors import StoreError
from transfer.features import space
from transfer.models import backbones, weights
from transfer.models.registry import BACKBONES
from transfer.runs import Run
from transfer.system.progress import Silent
from transfer.training import fitting

SETTINGS: dict[str, Any] = {
    **QUICK,
    "unfreeze_from": "block2_conv1",
    "fine_tuning": {"epochs": 3, "learning_rate": 1e-4, "batch_size": 8},
    "head.dropout": 0.0,
    "training.checkpoint_seconds": 0,
}
PREFIX, SUFFIX = ["block1_conv1", "block1_conv2"], ["block2_conv1", "block2_conv2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_by_class(tmp_path_factory.mktemp("digits"), 14)


class Heard(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@functools.cache
def pretrained(name: str = "vgg16", size: int = 32) -> keras.Model:
    model = backbones.build(BACKBONES[name], size)
    weights.load(model, BACKBONES[name], "random", 0, Silent())
    return model


def layers_of(model: keras.Model) -> dict[str, Any]:
    """Return all layers with weights, those of models inside included, by name."""
    found: dict[str, Any] = {}
    for layer in model.layers:
        found |= layers_of(layer) if isinstance(layer, keras.Model) else {layer.name: layer} if layer.weights else {}
    return found


def changed(run: Run) -> list[str]:
    """Return which layers of prefix and suffix have other weights than before the training."""
    received = layers_of(keras.saving.load_model(run.model, compile=False, safe_mode=True))
    before = layers_of(pretrained())

    def same(layer: str) -> bool:
        return all(map(np.array_equal, received[layer].get_weights(), before[layer].get_weights()))

    return [layer for layer in [*PREFIX, *SUFFIX] if not same(layer)]


def test_suffix_and_head_train_from_the_stored_output_of_the_prefix(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed, heard = count_passes(monkeypatch), Heard()
    run = fit(data, SETTINGS | {"export.verified_images": 1}, name="run", output=tmp_path, progress=heard)
    assert run.metrics["agreement"]["images"] == run.metrics["images"]["test"], "the maps were stored in 16 bits"
    assert {path.name for path in run.path.iterdir()} == RUN_FILES
    assert passed() == 42, "each image went through the prefix once"
    assert list(run.history["stage"]) == ["head"] * 2 + ["fine-tuning"] * 3
    assert list(run.history["epoch"]) == [1, 2, 1, 2, 3] and 3 <= run.metrics["best_epoch"] <= 5
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[2], "it learns"
    assert changed(run) == SUFFIX
    suffix, head = 64 * 128 * 9 + 128 + 128 * 128 * 9 + 128, 128 * 3 + 3
    assert run.metrics["parameters"]["trained"] == suffix + head
    assert disagreement(run) <= 0.05
    said = [line for line in heard.lines if line.startswith("Fine-tuning")]
    expected = (
        f"Fine-tuning from block2_conv1: {suffix:,} of the backbone's 14,714,688 parameters are trained (1.5%), and the head's {head}"
    )
    assert said == [expected]


def test_it_repeats_itself_and_continues_where_it_was_interrupted(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = outcome(fit(data, SETTINGS, name="undisturbed", output=tmp_path))
    assert outcome(fit(data, SETTINGS, name="again", output=tmp_path)) == undisturbed
    record, epochs = fitting._Recorder.on_epoch_end, []

    def interrupt(self: Any, epoch: int, logs: Any = None) -> None:
        record(self, epoch, logs)
        epochs.append(self.stage)
        if epochs.count("fine-tuning") == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting._Recorder, "on_epoch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(data, SETTINGS, name="continued", output=tmp_path)
    passed, epochs = count_passes(monkeypatch), []
    monkeypatch.setattr(fitting._Recorder, "on_epoch_end", lambda self, *more: (record(self, *more), epochs.append(self.stage))[0])
    assert outcome(fit(data, SETTINGS, name="continued", output=tmp_path)) == undisturbed
    assert passed() == 0 and epochs == ["fine-tuning"] * 2, "one epoch of fine-tuning was done, and all of the head's"


@pytest.mark.parametrize(
    "more",
    [
        {"precision": "bfloat16"},
        {"augment.views": 1, "head.pooling": "max"},
        {"augment.views": 1, "fine_tuning.views": "all", "fine_tuning.keep": "loss", "truncate_at": ["block1_pool", "block2_pool"]},
        {"truncate_at": "auto", "head.pooling": "flatten"},
        {"fine_tuning": {"layer_decay": 0.5, "l2": 1e-3, "weight_decay": 0.01, "epochs": 2}, "training.class_weights": "balanced"},
        {"backbone": "mobilenet_v2", "truncate_at": "block_5_add", "unfreeze_from": "block_2_add"},
    ],
    ids=["bfloat16", "views", "boundary as a cut point", "auto", "rates and penalties", "batch normalisation"],
)
def test_with_other_settings_the_export_agrees_as_well(data: Path, tmp_path: Path, more: dict[str, Any]) -> None:
    run = fit(data, {**SETTINGS, **more}, name="run", output=tmp_path)
    assert "fine-tuning" in set(run.history["stage"]) and np.isfinite(run.history["loss"]).all()
    assert disagreement(run) <= 0.05
    if run.cut_points is not None:
        assert "block1_pool" not in set(run.cut_points["cut"]), "no cut point below the first layer that trains"


@pytest.mark.parametrize("live", [False, True])
def test_all_layers_train_on_pixels(data: Path, tmp_path: Path, live: bool) -> None:
    file = tmp_path / "own.weights.h5"
    pretrained().save_weights(file)
    settings = {**SETTINGS, "weights": str(file), "unfreeze_from": "all", "augment.live": live, "fine_tuning.epochs": 2}
    run = fit(data, settings, name="run", output=tmp_path)
    assert changed(run) == [*PREFIX, *SUFFIX]
    assert disagreement(run) <= 1e-3, "nothing was stored in 16 bit"
    assert outcome(fit(data, settings, name="again", output=tmp_path)) == outcome(run)


def test_a_disk_that_is_too_full_is_said_before_the_pass(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    passed = count_passes(monkeypatch)
    with pytest.raises(StoreError, match=r"The features of 42 images and views need .* 1 kB are free"):
        fit(data, SETTINGS, name="run", output=tmp_path)
    assert passed() == 0 and not (tmp_path / "run").exists()
