"""`tune: N`: settings of each method are searched before the comparison, on training and validation images."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workflows.comparison.tiny import Trainings, pair
from transfer.config.search_space import Choices, Range
from transfer.errors import RunError, TransferError
from transfer.training.feature_dataset import FeatureDataset
from transfer.training.fitting import HopelessError, Watch
from transfer.workflows.compare import compare
from transfer.workflows.comparison import folder, trials, tuning
from transfer.workflows.comparison.folder import Comparison
from transfer.workflows.comparison.trials import Trial, Validated
from transfer.workflows.settings import resolve
from transfer.workflows.tuning import network_scoring


def keys(given: dict[str, Any], **user: Any) -> dict[str, Choices | Range]:
    return {one.key: one.values for one in tuning.space_of(resolve([given]), user | given).parameters}


def test_networks_from_scratch_are_tried_with_what_costs_no_other_features() -> None:
    tried = keys({"backbone": "lenet"})
    assert set(tried) == {
        "training.learning_rate", "training.label_smoothing", "training.weight_decay", "head.dropout", "network.normalization",
        "augment.live", "augment.flip",
    }  # fmt: skip
    assert tried["network.normalization"] == Choices(("none", "batch"))
    assert "network.dropout" in keys({"backbone": "tiny_vgg"})
    assert keys({"backbone": "alexnet"})["network.normalization"] == Choices(("local", "batch"))


def test_what_the_user_has_set_is_not_tried() -> None:
    tried = keys({"backbone": "lenet", "head.dropout": 0.3, "training.learning_rate": 0.01, "augment.live": False})
    assert not {"head.dropout", "training.learning_rate", "augment.flip"} & set(tried)


def test_heads_and_fine_tuned_layers_have_settings_of_their_own() -> None:
    assert set(keys({"backbone": "vgg16"})) == {"training.learning_rate", "training.label_smoothing", "head.dropout", "head.l2"}
    assert "fine_tuning.learning_rate" in keys({"backbone": "vgg16", "unfreeze_from": "block5_conv1"})
    assert keys({"backbone": "vgg16", "head.kind": "linear"}) == {}, "its penalty is found in each training"


@pytest.mark.parametrize("name", ["lenet", "tiny_vgg", "mlp", "cifar", "alexnet", "vgg16"])
def test_the_first_trial_is_the_method_as_configured(name: str) -> None:
    config = resolve([{"backbone": name}])
    space = tuning.space_of(config, {})
    (first,) = space.first
    for one in space.parameters:
        value, values = first[one.key], one.values
        assert value in values.values if isinstance(values, Choices) else values.low <= value <= values.high, one.key


class Scores:
    """Stands in for trainings of a search: the higher the rate, the better."""

    def __init__(self) -> None:
        self.made: list[FeatureDataset] = []

    def __call__(self, features: FeatureDataset, watch: Watch | None) -> Validated:
        self.made.append(features)
        if features.config.training.label_smoothing > 0.19:
            raise TransferError("Training diverged: the loss is not finite.")
        return result(features.config.training.learning_rate)


def result(accuracy: float, *by_epoch: float) -> Validated:
    """What a training with this accuracy gives."""
    return Validated(np.array([accuracy, accuracy]), by_epoch, 1, 10)


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Scores:
    stand_in = Scores()
    monkeypatch.setattr(network_scoring, "validated", stand_in)
    return stand_in


def test_the_best_settings_are_compared_and_told(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings, scores: Scores, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: dict[str, float] = {}
    stand_in = trials.train_trial
    monkeypatch.setattr(
        trials,
        "train_trial",
        lambda trial, *costs: rates.update({trial.name: trial.config.training.learning_rate}) or stand_in(trial, *costs),
    )
    done = compare(image_folder(count=14), pair(tune=6), output=tmp_path / "out")
    assert len(scores.made) == 12 and len({len(features.rows("train")) for features in scores.made}) == 1
    assert not any(len(features.rows("test")) for features in scores.made)
    best = done.tuning.groupby("method")["val_accuracy"].max()
    for name, rate in rates.items():
        assert rate == pytest.approx(best[name.split("-")[0]])
        assert rate > 1e-3
    assert (done.tuning.groupby("method")["trial"].count() == 6).all()
    assert list(done.tuning.loc[done.tuning["trial"] == 0, "val_accuracy"].unique()) == [1e-3]
    assert done.tuning["chosen"].sum() == 2
    facts = {one["method"]: one for one in done.facts["tuning"]}
    assert facts["linear"]["tried"] == 6 and facts["linear"]["size"] == "all"
    assert facts["hidden"]["chosen"]["training.learning_rate"] == pytest.approx(rates["hidden-all-0"])


def test_each_size_can_have_settings_of_its_own(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings, scores: Scores
) -> None:
    done = compare(image_folder(count=14), pair(tune=2, tune_at="each"), output=tmp_path / "out")
    assert [(one["method"], one["size"]) for one in done.facts["tuning"]] == [
        ("linear", "2"), ("hidden", "2"), ("linear", "all"), ("hidden", "all")
    ]  # fmt: skip
    assert len(scores.made) == 8


def test_searches_are_not_repeated_and_go_on_with_more_trials(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings, scores: Scores
) -> None:
    data = image_folder(count=14)
    first = compare(data, pair(tune=3), output=tmp_path / "out").tuning
    again = compare(data, pair(tune=3), output=tmp_path / "out").tuning
    assert len(scores.made) == 6 and again.equals(first)
    more = compare(data, pair(tune=5), output=tmp_path / "out").tuning
    assert len(scores.made) == 10
    assert list(more.loc[more["trial"] < 3, "settings"]) == list(first["settings"])
    assert compare(data, pair(tune=0), output=tmp_path / "out").tuning.empty


def test_an_interrupted_search_ends_like_one_that_was_not(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings, scores: Scores, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = image_folder(count=14)
    whole = compare(data, pair(tune=4), name="whole", output=tmp_path / "out").tuning

    def interrupted(features: FeatureDataset, watch: Watch | None) -> Validated:
        if len(scores.made) >= 10:
            raise KeyboardInterrupt
        return scores(features, watch)

    monkeypatch.setattr(network_scoring, "validated", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(data, pair(tune=4), name="cut", output=tmp_path / "out")
    monkeypatch.setattr(network_scoring, "validated", scores)
    resumed = compare(data, pair(tune=4), name="cut", output=tmp_path / "out").tuning
    assert len(scores.made) == 16
    assert resumed.drop(columns="seconds").equals(whole.drop(columns="seconds"))


def test_a_search_that_diverges_is_told_and_never_chosen(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverging(features: FeatureDataset, watch: Watch | None) -> Validated:
        if features.config.training.learning_rate != 1e-3:
            raise TransferError("Training diverged.")
        return result(0.5)

    monkeypatch.setattr(network_scoring, "validated", diverging)
    done = compare(image_folder(count=14), pair(tune=2), output=tmp_path / "out")
    assert [one["chosen"] for one in done.facts["tuning"]] == [{}, {}]
    assert list(done.tuning.loc[done.tuning["trial"] == 1, "failed"]) == ["Training diverged."] * 2


def test_hopeless_trials_are_stopped_and_never_chosen(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ever_worse(features: FeatureDataset, watch: Watch | None) -> Validated:
        calls.append(features)
        accuracies = [0.9 - 0.1 * (len(calls) % 6)] * 20
        if watch is not None and not watch(accuracies):
            raise HopelessError(accuracies)
        return result(accuracies[0], *accuracies)

    calls: list[FeatureDataset] = []
    monkeypatch.setattr(network_scoring, "validated", ever_worse)
    done = compare(image_folder(count=14), pair(tune=5), output=tmp_path / "out")
    reasons = done.tuning.loc[done.tuning["method"] == "linear", "failed"].fillna("")
    assert list(reasons) == [""] * 4 + ["stopped after 20 epochs"]
    facts = {one["method"]: one for one in done.facts["tuning"]}
    assert facts["linear"]["stopped_early"] == 1
    assert facts["linear"]["chosen"] == {} and facts["linear"]["val_accuracy"] == pytest.approx(0.8)


def test_the_test_split_chooses_nothing(image_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real trainings, once with the labels of the test images turned round."""
    data = image_folder(count=14)
    few = pair(tune=2, sizes=["all"])
    plain = compare(data, few, name="plain", output=tmp_path / "out").tuning
    real = trials.trials

    def turned(*arguments: Any) -> tuple[list[Trial], str]:
        made, note = real(*arguments)
        table = made[0].dataset.table.copy()
        test = table["split"] == "test"
        table.loc[test, "label"] = list(table.loc[test, "label"])[::-1]
        parts = [replace(trial.features, dataset=replace(trial.dataset, table=table)) for trial in made]
        return [replace(trial, features=part) for trial, part in zip(made, parts, strict=True)], note

    monkeypatch.setattr("transfer.workflows.compare.trials", turned)
    other = compare(data, few, name="other", output=tmp_path / "out").tuning
    assert other.drop(columns="seconds").equals(plain.drop(columns="seconds"))


def test_a_damaged_table_of_a_search_is_told(
    image_folder: Callable[..., Path], tmp_path: Path, trainings: Trainings, scores: Scores
) -> None:
    done = compare(image_folder(count=14), pair(tune=2), output=tmp_path / "out")
    (done.path / folder.TUNING).write_text("method\n")
    with pytest.raises(RunError, match=r"tuning\.csv"):
        Comparison(done.path)
