"""Proposals: which values a trial tries, by Optuna's TPE, as a function of the finished trials of earlier batches and nothing else.

Each trial has a sampler of its own, seeded by the seed of the search and the number of the trial, in a study that is held in memory
for one batch. A search that was interrupted, or goes on with a larger budget, therefore proposes what it would have proposed anyway.
"""

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from transfer.config.search_space import Choices, Parameter, Space


@dataclass(frozen=True)
class Proposal:
    """A trial to be scored.

    Attributes:
        number: of the trial, from 0.
        settings: configuration key, dotted -> value.
        params: the same as Optuna holds it: name of the parameter -> label or number.
    """

    number: int
    settings: dict[str, Any]
    params: dict[str, Any]


def propose(space: Space, finished: Sequence[FrozenTrial], count: int, seed: int, random_trials: int) -> list[Proposal]:
    """Return the next batch of trials.

    Args:
        space: what is tried.
        finished: all trials of the batches before this one, in order.
        count: trials of the batch.
        seed: of the search.
        random_trials: so many trials, from the first one on, are drawn at random.
    """
    with quiet():
        study = optuna.create_study(direction="maximize")
        study.add_trials(list(finished))
        made = []
        for number in range(len(finished), len(finished) + count):
            drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
            study.sampler = optuna.samplers.TPESampler(
                seed=drawn, multivariate=True, group=True, constant_liar=True, n_startup_trials=random_trials
            )
            if number < len(space.first):
                study.enqueue_trial(_first(space, space.first[number]))
            trial = study.ask()
            settings: dict[str, Any] = {}
            for parameter in space.parameters:
                if space.applying(settings, parameter):
                    settings[parameter.key] = _suggested(trial, parameter)
            made.append(Proposal(number, settings, dict(trial.params)))
        return made


def _first(space: Space, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the known values of one of the first trials, as Optuna takes them: those that lie in the space."""
    found: dict[str, Any] = {}
    for parameter in space.parameters:
        if not space.applying(wanted, parameter) or parameter.key not in wanted:
            continue
        value, values = wanted[parameter.key], parameter.values
        if isinstance(values, Choices):
            if value in values.values:
                found[parameter.name] = values.labels[values.values.index(value)]
        elif isinstance(value, int | float) and values.low <= value <= values.high:
            found[parameter.name] = value
    return found


def _suggested(trial: optuna.Trial, parameter: Parameter) -> Any:
    found = trial._suggest(parameter.name, distribution(parameter))
    return settled(parameter, found)


def settled(parameter: Parameter, found: Any) -> Any:
    """Return the value of the configuration that a label or number of Optuna means."""
    values = parameter.values
    return values.values[values.labels.index(found)] if isinstance(values, Choices) else found


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return Optuna's form of a parameter."""
    values = parameter.values
    if isinstance(values, Choices):
        return CategoricalDistribution(values.labels)
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's news and its warnings of what is experimental off the terminal during a block."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
