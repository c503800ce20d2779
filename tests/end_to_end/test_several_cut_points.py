"""Features of several cut points together, from files to a verified export: chosen, linear, fine-tuned, explained."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.end_to_end.common import QUICK, digits_by_class, disagreement, outcome
from transfer import TransferError, compare, fit
from transfer.config import read_yaml
from transfer.evaluation.ood import Reference
from transfer.exporters.served import Served
from transfer.models.frozen_pass import FrozenPass
from transfer.runs import Run

CUTS = ["block1_pool", "block2_pool"]
BOTH: dict[str, Any] = {**QUICK, "truncate_at": CUTS, "head.pooling": "avg+max"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits_by_class(tmp_path_factory.mktemp("digits"), 14)


@pytest.fixture(scope="module")
def linear(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two cut points and a linear head; features are kept by the other tests."""
    return fit(data, {**BOTH, "head.kind": "linear"}, name="linear", output=tmp_path_factory.mktemp("linear"))


def test_a_linear_head_is_the_same_again_also_from_its_configuration(linear: Run, data: Path, tmp_path: Path) -> None:
    again = fit(config=read_yaml(linear.path / "config.yaml"), name="again", output=tmp_path)
    assert outcome(again) == outcome(linear)
    kept = read_yaml(again.path / "config.yaml")
    assert kept["truncate_at"] == CUTS
    assert kept["head.inverse_penalty"] > 0, "the strength that was chosen"
    assert list(linear.history["epoch"]) == [1] and linear.history["val_loss"].iloc[0] > 0
    assert linear.metrics["test"]["accuracy"] > 0.5


def test_the_ood_score_of_an_export_is_that_of_the_frozen_cut_points(linear: Run, data: Path) -> None:
    """What is compared is computed here from the layers of the Keras model, by hand."""
    reference = Reference.read(linear.ood_reference)
    assert list(reference.layers) == CUTS
    model = keras.saving.load_model(linear.model, compile=False, safe_mode=True)
    inside = next(layer for layer in model.layers if layer.name.startswith("vgg16"))
    rows = linear.predictions[linear.predictions["split"] == "test"]
    served = Served(linear.export)
    found = served.explain([(data / path).read_bytes() for path in rows["path"]], [-1] * len(rows))
    maps = [np.asarray(one, np.float32) for one in inside(found.images.astype(np.float32), training=False)]
    blocks = [pooled for one in maps for pooled in (one.mean((1, 2)), one.max((1, 2)))]
    joined = np.concatenate([block / np.linalg.norm(block, axis=1, keepdims=True) for block in blocks], axis=1) / 2
    np.testing.assert_allclose(found.embeddings, joined, atol=1e-5)
    np.testing.assert_allclose(found.answers.ood_score, reference.ood_score(joined), rtol=1e-3)
    np.testing.assert_allclose(found.answers.ood_score, rows["ood_score"].to_numpy(float), rtol=1e-3)


def test_the_cuts_are_chosen_singly_or_together_and_the_table_is_kept(data: Path, tmp_path: Path) -> None:
    made = fit(data, {**QUICK, "truncate_at": "auto"}, name="auto", output=tmp_path)
    table = made.cut_points
    assert table is not None
    every = [f"block{number}_pool" for number in range(1, 6)]
    assert list(table["cut"]) == every + ["+".join(every[-count:]) for count in range(2, 6)]
    (chosen,) = table["cut"][table["chosen"]]
    kept = read_yaml(made.path / "config.yaml")["truncate_at"]
    assert chosen == (kept if isinstance(kept, str) else "+".join(kept))


def test_fine_tuning_below_all_cut_points(data: Path, tmp_path: Path) -> None:
    settings = {**QUICK, "truncate_at": ["block2_pool", "block3_pool"], "head.pooling": "avg+max", "unfreeze_from": "block2_conv1"}
    made = fit(data, settings | {"fine_tuning.epochs": 2}, name="tuned", output=tmp_path)
    assert disagreement(made) <= 0.05
    assert Reference.read(made.ood_reference).layers == ("block1_pool", "vector"), "what is frozen, and what enters the head"
    assert list(made.history["stage"].unique()) == ["head", "fine-tuning"]


def test_one_pass_emits_all_and_a_later_run_needs_none(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(data, BOTH, name="first", output=tmp_path)
    monkeypatch.setattr(FrozenPass, "__call__", lambda *given: pytest.fail("a pass, though everything is stored"))
    fit(data, {**QUICK, "truncate_at": "block2_pool", "head.pooling": "max"}, name="second", output=tmp_path)
    fit(data, {**QUICK, "truncate_at": "block1_pool", "head.kind": "linear"}, name="third", output=tmp_path)


def test_methods_of_a_comparison_share_one_pass(data: Path, tmp_path: Path) -> None:
    methods = {
        "one": {"truncate_at": "block2_pool"},
        "two": {"truncate_at": CUTS},
        "linear": {"truncate_at": "block1_pool", "head.kind": "linear"},
    }
    made = compare(data, sizes=[2], seeds=[0], common=QUICK, methods=methods, energy="off", output=tmp_path)
    assert dict(zip(made.runs["method"], made.runs["truncate_at"], strict=True)) == {
        "one": "block2_pool", "two": "block1_pool+block2_pool", "linear": "block1_pool",
    }  # fmt: skip


def test_a_linear_head_that_needs_too_much_memory_is_refused_in_words(data: Path, tmp_path: Path) -> None:
    settings = {**QUICK, "truncate_at": "block1_pool", "image_size": 112, "head.pooling": "flatten", "head.kind": "linear"}
    with pytest.raises(TransferError, match=r"head\.kind: a linear head is fitted on all features at once"):
        fit(data, {**settings, "features.memory_mb": 16}, name="run", output=tmp_path)
    assert not list(tmp_path.iterdir())
