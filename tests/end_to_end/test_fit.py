"""fit() on real files: what a run's folder contains, that the run can be repeated, and that what was measured is what is served."""

import math
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import transfer
from tests.end_to_end.common import QUICK, RUN_FILES, digits_by_class, disagreement, outcome
from transfer import fit
from transfer.config import DataConfig, read_yaml
from transfer.data import digits, sources
from transfer.errors import ExportError
from transfer.exporters.served import Served
from transfer.models import backbones, weights
from transfer.models.pretrained import Pretrained
from transfer.models.registry import BACKBONES
from transfer.reports.run.text import block
from transfer.runs import Run
from transfer.system.progress import Silent
from transfer.workflows.verification import verify_folder

CLIENT = Path(__file__).with_name("client.py")
DIGITS = [str(number) for number in range(10)]
BAD_FILES = {"train/3/empty.png": "empty file", "train/notes.txt": "not in a class folder", "test/5/.hidden.png": "hidden file"}


@pytest.fixture(scope="module", autouse=True)
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One feature store for all tests of this file."""
    return tmp_path_factory.mktemp("shared home")


@pytest.fixture(autouse=True)
def cache_folder(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRANSFER_HOME", str(shared_home))
    return shared_home


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits with ready-made splits, and some files that cannot be used."""
    folder = digits.write_folder(tmp_path_factory.mktemp("data") / "digits", 4, 2, 3)
    for name in BAD_FILES:
        (folder / name).touch()
    whole = next((folder / "train" / "7").glob("*.png")).read_bytes()
    (folder / "train" / "7" / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (folder / "val" / "7" / "text.jpg").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes without ready-made splits, and one class with too few images."""
    folder = digits_by_class(tmp_path_factory.mktemp("plain"), 12)
    rare = next((folder / "0").iterdir())
    (folder / "rare").mkdir()
    shutil.move(rare, folder / "rare")
    return folder


@pytest.fixture(scope="module")
def run(data: Path, shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("TRANSFER_HOME", str(shared_home))
        warnings.filterwarnings("error", "Your input ran out of data")  # Keras says so where an epoch ends too early
        return fit(data, QUICK, name="run", output=tmp_path_factory.mktemp("output"))


def test_the_runs_folder_holds_exactly_the_documented_files(run: Run) -> None:
    assert {path.name for path in run.path.iterdir()} == RUN_FILES
    assert {path.name for path in (run.path / "export").iterdir()} == {"1"}
    assert (run.export / "saved_model.pb").is_file()
    assert (run.export / "variables").is_dir()
    assert (run.export / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 100
    card = (run.export / "assets.extra" / "model_card.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: unknown\n") and "\n# run\n" in card and str(run.path.parent) not in card
    assert "assets.extra/model_card.md" in (run.export / "assets.extra" / "checksums.json").read_text() and not any(verify_folder(run.path))
    assert (run.export / "assets" / "labels.txt").read_text() == "".join(f"{digit}\n" for digit in DIGITS)
    assert [path.name for path in run.path.parent.iterdir()] == ["run"]


def test_metrics_have_the_documented_keys_and_sane_values(run: Run) -> None:
    for split, count in (("validation", 20), ("test", 30)):
        found = run.metrics[split]
        assert {"accuracy", "accuracy_ci95", "macro_f1", "log_loss", "ece", "per_class"} <= set(found)
        assert found["images"] == count
        assert found["accuracy_ci95"][0] <= found["accuracy"] <= found["accuracy_ci95"][1]
        assert math.isfinite(found["log_loss"])
        assert list(found["per_class"]) == DIGITS
    assert {"scan", "precision", "feature extraction", "training", "export", "evaluation", "total"} <= set(run.metrics["timing"])
    assert run.metrics["images"] == {"train": 40, "validation": 20, "test": 30}


def test_each_class_was_taken_for_a_new_one_in_turn(run: Run) -> None:
    new = run.metrics["ood"]["new_classes"]
    assert set(new["per_class"]) == set(DIGITS) and new["classes"] == 10 and new["images"] == 20
    assert 0 <= new["auroc"] <= 1 and 0 <= new["flagged"] <= 1 and new["at_most"] is False


def test_the_reason_is_empty_exactly_for_the_files_that_were_used(run: Run, data: Path) -> None:
    manifest = run.manifest.set_index("path")
    assert set(manifest.index) == {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}
    used = manifest[manifest["reason"] == ""]
    assert len(used) == 90
    assert set(used["status"]) == {"used"}
    assert set(used["split"]) == {"train", "validation", "test"}
    skipped = manifest[manifest["reason"] != ""]
    assert set(skipped["status"]) == {"skipped"}
    assert set(skipped["split"]) == {""}
    assert {path: manifest.loc[path, "reason"] for path in BAD_FILES} == BAD_FILES
    assert manifest.loc["train/7/truncated.png", "reason"].startswith("damaged")
    assert manifest.loc["val/7/text.jpg", "reason"] == "not an image: text"
    assert sum(run.metrics["skipped"].values()) == len(skipped) == 5


def test_ready_made_splits_are_kept(run: Run) -> None:
    used = run.manifest[run.manifest["reason"] == ""]
    assert [{"train": "train", "val": "validation", "test": "test"}[path.split("/")[0]] for path in used["path"]] == list(used["split"])


def test_predictions_have_one_row_a_image_and_one_column_a_class(run: Run) -> None:
    table = run.predictions
    assert list(table.columns) == ["path", "split", "label", "predicted", "ood_score", *DIGITS]
    assert table["split"].value_counts().to_dict() == {"test": 30, "validation": 20}
    probabilities = table[DIGITS].to_numpy()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert [DIGITS[number] for number in probabilities.argmax(1)] == list(table["predicted"])
    test = table[table["split"] == "test"]
    assert (test["label"] == test["predicted"]).mean() == pytest.approx(run.metrics["test"]["accuracy"])


def test_the_history_has_one_row_an_epoch(run: Run) -> None:
    assert list(run.history["epoch"]) == [1, 2]
    assert {"stage", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"} <= set(run.history.columns)
    assert run.metrics["best_epoch"] == run.history["val_loss"].argmin() + 1


def test_the_environment_says_on_what_the_run_was_made(run: Run) -> None:
    assert (run.environment["compute"], run.environment["precision"]) == ("tensorflow", "float32")
    assert run.environment["packages"]["keras"] == keras.__version__


def test_the_runs_configuration_gives_the_same_run_again_bit_for_bit(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFER_HOME", str(tmp_path / "cold"))
    again = fit(config=read_yaml(run.path / "config.yaml"), name="again", output=tmp_path)
    assert outcome(again) == outcome(run)
    assert (again.path / "config.yaml").read_text() == (run.path / "config.yaml").read_text()
    assert (again.path / "manifest.csv").read_bytes() == (run.path / "manifest.csv").read_bytes()


def test_only_the_head_trained_and_the_backbone_is_what_it_was(run: Run) -> None:
    model = keras.saving.load_model(run.model, compile=False, safe_mode=True)
    backbone = BACKBONES["vgg16"]
    before = Pretrained.load(backbone, "random", 32, "float32", 0, Silent())
    trunk = backbones.prefix(before.model, backbone, backbone.cut("block2_pool"))
    (kept,) = [layer for layer in model.layers if layer.name.startswith("vgg16")]
    assert weights.digest(kept.get_weights()) == weights.digest(trunk.get_weights())
    assert run.metrics["weights_digest"] == before.weights_digest
    assert sorted(weight.path.split("/")[-1] for weight in model.trainable_weights) == ["bias", "kernel"]
    assert run.metrics["parameters"]["trained"] == 128 * 10 + 10


def test_another_process_serves_what_was_measured(run: Run, lenet: Run, data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-I", str(CLIENT), str(data), str(run.path), str(lenet.path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def lenet(data: Path, shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(shared_home))
        return fit(data, backbone="lenet", training={"epochs": 30}, name="lenet", output=tmp_path_factory.mktemp("output"))


def test_a_network_from_scratch_goes_the_same_way(run: Run, lenet: Run) -> None:
    assert {path.name for path in lenet.path.iterdir()} == RUN_FILES
    assert lenet.metrics["test"]["accuracy"] > 0.3  # chance is 0.1
    assert lenet.metrics["parameters"]["share"] == 1
    assert lenet.metrics["weights_digest"] is None
    assert lenet.metrics["ood"]["new_classes"]["at_most"], "the network was trained on the classes that are taken for new ones"
    assert list(lenet.predictions["path"]) == list(run.predictions["path"])


VARIANTS: dict[str, tuple[dict[str, Any], int]] = {
    "max pooling, two views": ({"head": {"pooling": "max"}, "augment.views": 2}, 128 * 10 + 10),
    "whole maps, a hidden layer": (
        {"head": {"pooling": "flatten", "dense": [8], "standardize": False}, "training.patience": None},
        8 * 8 * 128 * 8 + 8 + 8 * 10 + 10,
    ),
    "two cut points, both kinds of pooling, a view": (
        {"truncate_at": ["block2_pool", "block1_pool"], "head.pooling": "avg+max", "augment.views": 1},
        2 * (64 + 128) * 10 + 10,
    ),
    "a linear head": ({"truncate_at": ["block1_pool", "block2_pool"], "head": {"kind": "linear"}}, (64 + 128) * 10 + 10),
    "a linear head on raw features of given strength": (
        {"head": {"kind": "linear", "standardize": False, "inverse_penalty": 0.01}, "training.class_weights": "balanced"},
        128 * 10 + 10,
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_the_head_are_trained_and_verified(data: Path, tmp_path: Path, variant: str) -> None:
    settings, parameters = VARIANTS[variant]
    made = fit(data, QUICK | settings, name="run", output=tmp_path)
    assert made.metrics["parameters"]["trained"] == parameters
    assert disagreement(made) <= 1e-3
    assert made.metrics["images"]["train"] == 40


def test_an_unbalanced_folder_with_a_rare_class(plain: Path, tmp_path: Path) -> None:
    settings = {"training.class_weights": "balanced", "training.label_smoothing": 0.1, "data.min_per_class": 5}
    made = fit(plain, QUICK | settings, name="run", output=tmp_path)
    assert made.labels == ["0", "1", "2"]
    (rare,) = made.manifest[made.manifest["label"] == "rare"].itertuples()
    assert rare.reason.startswith("class left out: fewer than 5")
    assert rare.split == ""
    with pytest.raises(transfer.TransferError, match=r"Too few in: rare\."):
        fit(plain, QUICK, name="other", output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_cut_is_chosen_and_the_table_kept(data: Path, tmp_path: Path) -> None:
    """With `flatten` the cut is chosen on pooled features, and the whole maps of the chosen cut are computed after."""
    made = fit(data, QUICK | {"truncate_at": "auto", "head.pooling": "flatten"}, name="run", output=tmp_path)
    assert {path.name for path in made.path.iterdir()} == RUN_FILES | {"cut_points.csv"}
    table = made.cut_points
    assert table is not None
    assert list(table["cut"]) == [f"block{number}_pool" for number in range(1, 6)]
    (chosen,) = table.loc[table["chosen"], "cut"]
    assert made.config["truncate_at"] == chosen
    named = fit(data, QUICK | {"truncate_at": chosen, "head.pooling": "flatten"}, name="named", output=tmp_path)
    assert outcome(named) == outcome(made)


def test_a_scan_leaves_what_belongs_to_the_whole_process_as_it_was(data: Path) -> None:
    """Its threads share Pillow's limit of pixels and Python's filter of warnings with the program that called."""
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    for _ in range(5):
        sources.read(DataConfig(source=str(data)), Silent())
        assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_of_a_frozen_backbone_a_sample_is_verified_and_the_figures_are_the_same(run: Run, data: Path, tmp_path: Path) -> None:
    sampled = fit(data, QUICK | {"export.verified_images": 5}, name="sampled", output=tmp_path)
    every = fit(data, QUICK | {"export.verified_images": None}, name="every", output=tmp_path)
    assert [one.metrics["agreement"]["images"] for one in (sampled, every, run)] == [5, 30, 30]
    assert disagreement(sampled) <= 1e-3
    assert list(sampled.predictions["predicted"]) == list(every.predictions["predicted"])
    np.testing.assert_allclose(sampled.predictions[DIGITS], every.predictions[DIGITS], atol=1e-5)
    np.testing.assert_allclose(sampled.predictions["ood_score"], every.predictions["ood_score"], atol=0.01)
    assert sampled.metrics["test"]["accuracy"] == every.metrics["test"]["accuracy"]
    assert "given the bytes of 5 of them, agrees" in " ".join(block(sampled).split())


def test_what_was_trained_on_pixels_is_measured_on_all_test_files(data: Path, tmp_path: Path) -> None:
    made = fit(data, backbone="lenet", training={"epochs": 1}, export={"verified_images": 5}, name="run", output=tmp_path)
    assert made.metrics["agreement"]["images"] == 30 and "through the exported model" in block(made)


def test_an_export_that_disagrees_on_the_sample_is_not_published(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Served.answer
    monkeypatch.setattr(
        Served, "answer", lambda served, images: replace(found := honest(served, images), probabilities=found.probabilities[:, ::-1])
    )
    with pytest.raises(ExportError, match=r"\(stored\)"):
        fit(data, QUICK | {"export.verified_images": 5}, name="run", output=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_after_the_export_was_refused_a_larger_tolerance_trains_nothing_again(
    image_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = image_folder(count=14)
    strict = {"export.tolerance_float32": 1e-30, "export.tolerance_ood_score": 1e-30}
    with pytest.raises(ExportError, match="does not agree with the trained model"):
        fit(data, QUICK | strict, name="run", output=tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []
    monkeypatch.setattr(keras.Model, "fit", lambda *arguments, **options: pytest.fail("trained again"))
    run = fit(data, QUICK, name="run", output=tmp_path / "runs")
    assert len(run.history) == QUICK["training.epochs"]
