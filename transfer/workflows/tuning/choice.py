"""The choice among finished trials: the best, or the simplest within one standard error of it; and which settings matter.

Simpler is, in this order: fewer features of the backbone, a linear head before a dense one, fewer hidden units, fewer augmented views;
of equals the one of the higher score, then the earlier one. Of networks from scratch, the one with fewer values in its kernels is simpler:
biases and normalisation, a few values for each channel, make none more complex. The rule of one standard error: Breiman et al. 1984,
"Classification and Regression Trees", section 3.4.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
import pandas as pd
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState, create_trial

from transfer.config.search_space import Choices, Parameter, Space, label
from transfer.workflows.tuning.network_scoring import BY_EPOCH, FAILED, WEIGHTS
from transfer.workflows.tuning.proposals import distribution, quiet
from transfer.workflows.tuning.scoring import EPOCH, ERROR, FEATURES, FOLDS
from transfer.workflows.tuning.study import Finished, Searched

_ENOUGH = 10
"""Finished trials without which the importance of a setting cannot be told."""

_SHARE_GOOD = 0.25
"""PED-ANOVA asks what the settings of this best part of the trials have in common: of 100 trials, its usual tenth would be ten."""

_NORMAL = 1.96


@dataclass(frozen=True)
class Chosen:
    """Which trial is fitted, and why.

    Attributes:
        best: the trial of the highest score.
        trial: the one that is fitted.
        within: trials within one standard error of the best.
    """

    best: Finished
    trial: Finished
    within: int


def choose(searched: Searched, rule: str) -> Chosen:
    """Choose by the rule `best` or `one_standard_error`."""
    best = searched.best
    least = best.score.value - best.score.facts.get(ERROR, 0.0)
    trained = [one for one in searched.trials if not one.score.pruned and (one is best or FAILED not in one.score.facts)]
    near = [one for one in trained if one.score.value >= least]
    return Chosen(best, best if rule == "best" else min(near, key=_complexity), len(near))


def _complexity(one: Finished) -> tuple[float, ...]:
    units = one.settings.get("head.dense", ()) if one.settings.get("head.kind") == "dense" else ()
    hidden = sum(units) if isinstance(units, tuple) else units
    linear = one.settings.get("head.kind") == "linear"
    width = one.score.facts.get(WEIGHTS, one.score.facts.get(FEATURES, 0))
    return width, not linear, hidden, one.settings.get("augment.views", 0), -one.score.value, one.number


def table(searched: Searched, space: Space) -> pd.DataFrame:
    """Return one row per trial: number, state, value, standard_error, low, high (95 %), its settings, features, epoch, folds, seconds;
    of networks from scratch `weights` and `by_epoch` in place of features and folds, and why training failed."""
    rows, of_networks = [], any(WEIGHTS in one.score.facts for one in searched.trials)
    for one in searched.trials:
        facts, error = one.score.facts, float(one.score.facts.get(ERROR, 0.0))
        row: dict[str, Any] = {
            "trial": one.number,
            "state": "pruned" if one.score.pruned else "finished",
            "value": round(one.score.value, 6),
        }
        row |= {"standard_error": round(error, 6), "low": round(one.score.value - _NORMAL * error, 6)}
        row |= {"high": round(one.score.value + _NORMAL * error, 6)}
        row |= {key: _shown(one.settings[key]) if key in one.settings else "" for key in dict.fromkeys(p.key for p in space.parameters)}
        row |= {WEIGHTS: facts.get(WEIGHTS, "")} if of_networks else {"features": facts.get(FEATURES, "")}
        row |= {"epoch": "" if facts.get(EPOCH) is None else facts[EPOCH]}
        parts = BY_EPOCH if of_networks else FOLDS
        row |= {parts: " ".join(f"{value:.4f}" for value in facts.get(parts, ())), "seconds": one.score.seconds}
        row |= {FAILED: facts.get(FAILED, "")} if of_networks else {}
        rows.append(row)
    return pd.DataFrame(rows, dtype=object)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else label(value)


def importances(searched: Searched, space: Space) -> list[dict[str, Any]]:
    """Return the importance of each setting by PED-ANOVA (Watanabe et al. 2023): `setting`, `among`, `importance`.

    The shares of the settings that apply to all trials add up to 1, and so do those of the settings of one kind of head among the trials
    of this kind. None where fewer than ten trials finished.
    """
    finished = [one for one in searched.trials if not one.score.pruned]
    found = []
    for where in dict.fromkeys(one.where for one in space.parameters):
        tried = [one for one in space.parameters if one.where == where and not _single(one)]
        of_kind = [one for one in finished if where is None or one.settings.get(where[0]) == where[1]]
        among = "all trials" if where is None else f"{where[0]}: {label(where[1])}"
        if tried and len(of_kind) >= _ENOUGH:
            shares = _shares(of_kind, tried)
            found += [{"setting": name, "among": among, "importance": round(share, 4)} for name, share in shares.items()]
    return found


def _single(parameter: Parameter) -> bool:
    return isinstance(parameter.values, Choices) and len(parameter.values.values) == 1


def _shares(finished: Sequence[Finished], tried: Sequence[Parameter]) -> dict[str, float]:
    with quiet():
        study = optuna.create_study(direction="maximize")
        for one in finished:
            params = {parameter.name: one.params[parameter.name] for parameter in tried}
            ranges = {parameter.name: distribution(parameter) for parameter in tried}
            study.add_trial(create_trial(state=TrialState.COMPLETE, value=one.score.value, params=params, distributions=ranges))
        evaluator = PedAnovaImportanceEvaluator(target_quantile=_SHARE_GOOD)
        return dict(get_param_importances(study, evaluator=evaluator, params=[one.name for one in tried]))
