"""The choice among trials, the table of them, and the importances of their settings."""

from pathlib import Path
from typing import Any

import pytest

from tests.workflows.tuning.made_up import SPACE, search
from transfer.config.search_space import Parameter, Range, Space
from transfer.workflows.tuning.choice import choose, importances, table
from transfer.workflows.tuning.study import Finished, Score, Searched


def searched(*trials: tuple[float, dict[str, Any], int]) -> Searched:
    """A search of trials: value, settings, features; the standard error is 0.01."""
    made = [
        Finished(number, settings, {}, Score(value, facts={"standard_error": 0.01, "features": features, "folds": [value], "epoch": 1}))
        for number, (value, settings, features) in enumerate(trials)
    ]
    return Searched(tuple(made), 0, False)


LINEAR, DENSE = {"head.kind": "linear"}, {"head.kind": "dense", "head.dense": (256,)}


@pytest.mark.parametrize(
    ("trials", "chosen"),
    [
        ([(0.80, DENSE, 1024), (0.795, DENSE, 512)], 1),  # fewer features
        ([(0.80, DENSE, 1024), (0.789, DENSE, 512)], 0),  # too far behind
        ([(0.80, DENSE, 512), (0.795, LINEAR, 512)], 1),  # a linear head
        ([(0.80, LINEAR, 1024), (0.795, DENSE, 512)], 1),  # features come first
        ([(0.80, DENSE, 512), (0.795, DENSE | {"head.dense": (64,)}, 512)], 1),  # fewer units
        ([(0.80, DENSE, 512), (0.795, DENSE | {"head.dense": 64}, 512)], 1),
        ([(0.80, DENSE, 512), (0.80, DENSE, 512)], 0),  # equals: the first
        ([(0.79, DENSE, 512), (0.80, DENSE, 512)], 1),  # equally simple: the better one
        ([(0.80, DENSE | {"augment.views": 4}, 512), (0.795, DENSE | {"augment.views": 0}, 512)], 1),
    ],
)
def test_the_simplest_within_one_standard_error_is_chosen(trials: list[Any], chosen: int) -> None:
    found = choose(searched(*trials), "one_standard_error")
    assert found.trial.number == chosen
    assert choose(searched(*trials), "best").trial.number == found.best.number == max(range(2), key=lambda one: (trials[one][0], -one))


def network(number: int, value: float, weights: int = 0, pruned: bool = False, failed: str = "") -> Finished:
    """A trial of a network from scratch, with a standard error of 0.02."""
    facts: dict[str, Any] = {"failed": failed} if failed else {"by_epoch": [0.1, value]}
    facts |= {"standard_error": 0.02, "weights": weights, "epoch": 2} if weights else {}
    return Finished(number, {"training.learning_rate": 0.1}, {}, Score(value, pruned, 2 * pruned, facts))


def test_the_network_with_the_fewest_weights_is_the_simplest_and_of_equals_the_better_one() -> None:
    good = [network(0, 0.5, 900), network(1, 0.495, 900), network(2, 0.485, 700), network(3, 0.49, 700), network(4, 0.4, 10)]
    assert choose(Searched((*good, network(5, 0.5, pruned=True)), 0, False), "one_standard_error").trial.number == 3
    assert choose(Searched(tuple(good), 0, False), "best").trial.number == 0
    hardly = (network(0, 0.0, failed="Training diverged."), network(1, 0.01, 900))
    assert choose(Searched(hardly, 0, False), "one_standard_error").trial.number == 1


def test_the_table_of_networks_has_their_accuracy_by_epoch_and_why_training_failed() -> None:
    trials = (network(0, 0.5, 900), network(1, 0.3, pruned=True), network(2, 0.0, failed="Training diverged."))
    rows = table(Searched(trials, 0, False), Space((Parameter("training.learning_rate", Range(0.01, 1.0)),)))
    assert list(rows["state"]) == ["finished", "pruned", "finished"]
    assert list(rows["by_epoch"]) == ["0.1000 0.5000", "0.1000 0.3000", ""]
    assert list(rows["weights"]) == [900, "", ""] and list(rows["failed"]) == ["", "", "Training diverged."]
    assert not {"features", "folds"} & set(rows)


def test_the_table_has_a_row_for_each_trial(tmp_path: Path) -> None:
    found = search(tmp_path / "study.journal", 30)
    rows = table(found, SPACE)
    assert list(rows["trial"]) == list(range(30))
    assert set(rows["state"]) == {"finished", "pruned"}
    assert set(rows.loc[rows["head.kind"] == "linear", "head.dropout"]) == {""}
    assert (rows["high"] - rows["low"]).astype(float).round(4).eq(0.0392).all()


def test_importances_are_shares_among_the_trials_that_have_the_setting(tmp_path: Path) -> None:
    found = importances(search(tmp_path / "study.journal", 60), SPACE)
    assert found == importances(search(tmp_path / "study.journal", 60), SPACE)
    for among in ("all trials", "head.kind: dense"):
        assert sum(one["importance"] for one in found if one["among"] == among) == pytest.approx(1, abs=0.01)
    assert {one["setting"] for one in found if one["among"] == "all trials"} == {"truncate_at", "head.kind"}
    assert {one["setting"] for one in found if one["among"] == "head.kind: dense"} == {"head.dropout", "head.l2", "head.dense"}


def test_few_trials_have_no_importances(tmp_path: Path) -> None:
    assert importances(search(tmp_path / "study.journal", 5), SPACE) == []
