"""The rule by which hopeless trials of networks are stopped, and what a score holds."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.config.tuning import TuningConfig
from transfer.errors import TransferError
from transfer.training.fitting import HopelessError
from transfer.workflows.comparison.trials import Validated
from transfer.workflows.tuning import network_scoring
from transfer.workflows.tuning.network_scoring import BY_EPOCH, ERROR, FAILED, WEIGHTS, score, watching
from transfer.workflows.tuning.study import Finished, Score

SETTINGS = TuningConfig(prune_epochs=3, prune_trials=3)
CURVES = st.lists(st.integers(0, 10).map(lambda number: number / 10), min_size=1, max_size=8)


def trial(curve: list[float], pruned: bool = False) -> Finished:
    return Finished(0, {}, {}, Score(max(curve), pruned, facts={BY_EPOCH: curve}))


def test_a_trial_below_the_median_of_the_others_is_stopped() -> None:
    before = [trial([0.2, 0.6, 0.4, 0.7]), trial([0.1, 0.3, 0.5]), trial([0.4, 0.4, 0.4, 0.9])]
    watch = watching(before, SETTINGS)
    assert watch is not None
    assert watch([0.0, 0.0])  # too early
    assert watch([0.0, 0.5, 0.1])  # the median of 0.6, 0.5, 0.4
    assert not watch([0.0, 0.49, 0.1])
    assert not watch([0.0, 0.5, 0.1, 0.6])  # of 0.7, 0.5 (it stopped by itself), 0.9
    assert watch([0.0, 0.5, 0.1, 0.7])


def test_nothing_is_stopped_before_there_are_enough_trials_or_if_it_is_not_wanted() -> None:
    before = [trial([0.5] * 5), trial([0.5] * 5), trial([0.9] * 5, pruned=True)]
    assert watching(before, SETTINGS) is None
    assert watching([*before, trial([0.5])], SETTINGS) is not None
    assert watching([*before, trial([0.5])], SETTINGS.model_copy(update={"prune_epochs": 0})) is None
    failed = Finished(0, {}, {}, Score(0.0, facts={FAILED: "diverged"}))
    assert watching([*before, failed], SETTINGS) is None


@given(st.lists(CURVES, min_size=3, max_size=6), CURVES)
def test_the_order_of_the_trials_does_not_matter_and_the_best_is_never_stopped(curves: list[list[float]], curve: list[float]) -> None:
    one = watching([trial(each) for each in curves], SETTINGS)
    other = watching([trial(each) for each in reversed(curves)], SETTINGS)
    assert one is not None and other is not None
    assert one(curve) == other(curve)
    assert one([*curve, max(map(max, curves))])
    third = 2 / 3  # an accuracy that is not written with all its digits
    same = watching([trial([round(third, 6)] * 3)] * 3, SETTINGS)
    assert same is not None and same([third] * 3)


def test_a_score_tells_what_became_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome: Any = Validated(np.array([True, True, False, True]), (0.25, 0.75), 2, 60)

    def stand_in(*_: Any) -> Validated:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(network_scoring, "validated", stand_in)
    features: Any = None
    found = score(features)
    assert (found.value, found.pruned) == (0.75, False)
    assert found.facts == {ERROR: pytest.approx(0.25), "epoch": 2, BY_EPOCH: [0.25, 0.75], WEIGHTS: 60}
    outcome = HopelessError([0.1, 0.3, 0.2])
    stopped = score(features)
    assert (stopped.value, stopped.pruned, stopped.step) == (0.3, True, 3)
    outcome = TransferError("Training diverged:\nno.")
    assert score(features).facts == {FAILED: "Training diverged: no."}
