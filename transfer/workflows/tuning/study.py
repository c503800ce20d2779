"""The study: proposes trials in batches, has them scored, and keeps what was found; independent of what scores a trial.

The trials depend on the space, the seed, the size of a batch and the scores alone: not on the budget, nor on where a search was
interrupted. A batch that was cut off is proposed again, the same, and only the trials that the journal lacks are written.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from transfer.config.search_space import Space
from transfer.errors import RunError
from transfer.system.progress import Progress
from transfer.workflows.tuning.journal import Journal
from transfer.workflows.tuning.proposals import Proposal, distribution, propose, settled

FACTS = "facts"
"""Attribute of a trial: what its score tells beside its value."""

SECONDS = "seconds"


@dataclass(frozen=True)
class Score:
    """The result of a trial.

    Attributes:
        value: what is maximised; of a pruned trial, so far.
        pruned: whether it was stopped before its end because it was hopeless.
        step: of a pruned trial: how far it came (folds, epochs).
        facts: plain values (text, numbers, lists) that are kept with it: values of the folds, standard error, ...
        seconds: that it took.
    """

    value: float
    pruned: bool = False
    step: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Finished:
    """A trial of the study: its proposal and its score."""

    number: int
    settings: dict[str, Any]
    params: dict[str, Any]
    score: Score


Scorer = Callable[[Sequence[Proposal], Sequence[Finished]], Iterable[Score]]
"""Scores a batch, in its order: (its proposals, all trials of earlier batches) -> a score for each.

If the batch was cut off, it is called with those that were not scored, and the same earlier trials. Each score is written as soon as it is
yielded."""


@dataclass(frozen=True)
class Budget:
    """When a search ends: after `trials`, or after the batch in which `seconds` have passed."""

    trials: int
    seconds: float | None = None


@dataclass(frozen=True)
class Searched:
    """A search.

    Attributes:
        trials: all of them, in order.
        earlier: how many of them were known before this call.
        out_of_time: whether the time ran out before the trials.
    """

    trials: tuple[Finished, ...]
    earlier: int
    out_of_time: bool

    @property
    def best(self) -> Finished:
        """The trial of the highest value; the first of equals."""
        return best_of(self.trials)


def best_of(trials: Iterable[Finished]) -> Finished:
    """Return the trial of the highest value that was not stopped early; the first of equals."""
    return max((one for one in trials if not one.score.pruned), key=lambda one: (one.score.value, -one.number))


def run_study(
    space: Space,
    score: Scorer,
    budget: Budget,
    file: Path,
    identity: Mapping[str, Any],
    progress: Progress,
    *,
    seed: int = 0,
    batch: int = 10,
    random_trials: int = 20,
    anew: bool = False,
) -> Searched:
    """Search: go on where the journal ends until the budget is spent. The caller holds the lock of the journal's folder.

    Args:
        space: what is tried.
        score: see `Scorer`.
        budget: of all calls together; its seconds are those of this call.
        file: the journal, made if it does not exist.
        identity: all else that determines the scores (data, folds, version): a journal of another identity is refused.
        progress: reports each trial.
        seed: of the proposals.
        batch: trials proposed at once.
        random_trials: so many trials, from the first one on, are drawn at random.
        anew: a journal that would be refused is deleted instead.

    Raises:
        RunError: if the journal is damaged or of another search.
    """
    everything = dict(identity) | {"Optuna": optuna.__version__, "seed": seed, "batch": batch, "random trials": random_trials}
    everything |= {f"space, {name}": values for name, values in space.describe().items()}
    journal = Journal(file, everything, anew)
    started, known = time.monotonic(), len(journal.finished)
    out_of_time = False
    with progress.step("Searching", max(budget.trials, known), "trials") as advance:
        advance(known)
        while (done := len(journal.finished)) < budget.trials and not out_of_time:
            before = journal.finished[: done - done % batch]
            proposals = propose(space, before, batch, seed, random_trials)
            _require_proposed(journal.finished[len(before) :], proposals, file)
            lacking = proposals[done - len(before) : budget.trials - len(before)]
            for proposal, found in zip(lacking, score(lacking, [_finished(space, trial) for trial in before]), strict=False):
                journal.append([_frozen(space, proposal, found)])
                advance(1)
            if len(journal.finished) < min(len(before) + batch, budget.trials):
                raise ValueError("the scorer gave too few scores")
            out_of_time = budget.seconds is not None and time.monotonic() - started >= budget.seconds
    trials = tuple(_finished(space, trial) for trial in journal.finished)
    return Searched(trials, known, out_of_time and len(trials) < budget.trials)


def _require_proposed(kept: Sequence[FrozenTrial], proposals: Sequence[Proposal], file: Path) -> None:
    """Check that the trials of a batch that was cut off are those that are proposed now."""
    for trial, proposal in zip(kept, proposals, strict=False):
        if trial.params != proposal.params:
            raise RunError(
                f"The search of this name was made by another version: trial {proposal.number} would now be another one. Choose another "
                f"--name, or begin anew with --overwrite. Received {str(file.parent)!r}."
            )


def _frozen(space: Space, proposal: Proposal, score: Score) -> FrozenTrial:
    distributions = {one.name: distribution(one) for one in space.parameters if one.name in proposal.params}
    return create_trial(
        state=TrialState.PRUNED if score.pruned else TrialState.COMPLETE,
        value=None if score.pruned else score.value,
        params=proposal.params,
        distributions=distributions,
        user_attrs={FACTS: score.facts, SECONDS: round(score.seconds, 3)},
        intermediate_values={score.step: score.value} if score.pruned else {},
    )


def _finished(space: Space, trial: FrozenTrial) -> Finished:
    named = {one.name: one for one in space.parameters}
    settings = {named[name].key: settled(named[name], value) for name, value in trial.params.items()}
    pruned = trial.state == TrialState.PRUNED
    step = max(trial.intermediate_values, default=0)
    value = trial.intermediate_values[step] if pruned else float(trial.value or 0.0)
    score = Score(value, pruned, step, trial.user_attrs.get(FACTS, {}), trial.user_attrs.get(SECONDS, 0.0))
    return Finished(trial.number, settings, trial.params, score)
