"""`tune: N` of a comparison: N settings are tried for each method, on training and validation images alone; the best is compared.

Each trial is proposed from those before it, one after the other, so that they run in this process whatever the engine is.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.config import Config
from transfer.config.comparison import ComparisonConfig
from transfer.config.search_space import Choices, Range, Space, label
from transfer.config.tuning import TuningConfig
from transfer.models.registry import Scratch, find
from transfer.system.progress import Progress
from transfer.training.identity import result_identity
from transfer.workflows.comparison import folder as names
from transfer.workflows.comparison.trials import Trial
from transfer.workflows.tuning import network_scoring
from transfer.workflows.tuning.network_scoring import FAILED, watching, without_test
from transfer.workflows.tuning.network_spaces import configured, parameter, tried
from transfer.workflows.tuning.proposals import Proposal
from transfer.workflows.tuning.study import Budget, Finished, Score, Searched, best_of, run_study

_RANDOM = 5  # trials before the first proposed one; the first of all is the method as configured
_HEAD: dict[str, Choices | Range] = {
    "training.learning_rate": Range(3e-4, 1e-2, log=True),
    "training.label_smoothing": Range(0.0, 0.2),
    "head.dropout": Range(0.0, 0.8),
    "head.l2": Range(1e-5, 0.1, log=True),
}
_FINE_TUNED: dict[str, Choices | Range] = {"fine_tuning.learning_rate": Range(1e-5, 3e-4, log=True)}
_PRUNING = TuningConfig()
"""Trials of networks from scratch are stopped by the rule of `transfer tune`, with its default values."""

COLUMNS = ["method", "size", "trial", "val_accuracy", "chosen", "seconds", "failed", "settings"]


@dataclass(frozen=True)
class Tuned:
    """The search for one method at one size: all its trials, the first being the method as configured."""

    method: str
    size: str
    trials: tuple[Finished, ...]

    @property
    def best(self) -> Finished:
        """The trial with the highest validation accuracy; the first of equals."""
        return best_of(self.trials)

    def facts(self) -> dict[str, Any]:
        """Return what the report tells."""
        best = self.best
        return {
            "method": self.method, "size": self.size, "tried": len(self.trials), "chosen": dict(best.settings) if best.number else {},
            "val_accuracy": best.score.value, "val_accuracy_as_configured": self.trials[0].score.value,
            "seconds": round(sum(one.score.seconds for one in self.trials), 1),
            "stopped_early": sum(one.score.pruned for one in self.trials),
        }  # fmt: skip


def space_of(config: Config, given: Mapping[str, Any]) -> Space:
    """Return what is tried for a method: settings that need no other features, without those that the user has set.

    Args:
        config: complete, of the method.
        given: keys that the user has set for it.
    """
    network = find(config.backbone)
    if isinstance(network, Scratch):
        left = tried(network, config, given)
    elif config.head.kind == "linear" and not config.unfreeze_from:
        left = {}  # its penalty is found by cross-validation in each training
    else:
        of_head = _HEAD | (_FINE_TUNED if config.unfreeze_from and not config.whole_from_random else {})
        own = config.head.kind == "own"  # its layers are the user's
        left = {key: values for key, values in of_head.items() if key not in given and not (own and key.startswith("head."))}
    return Space(tuple(parameter(key, values, left) for key, values in left.items()), (configured(config, left),))


def tune(settings: ComparisonConfig, wanted: Sequence[Trial], folder: Path, progress: Progress) -> tuple[list[Trial], list[Tuned]]:
    """Search settings for each method; an interrupted search goes on, and one with a larger `tune` too.

    The images are those of the first seed; the test split takes no part.

    Args:
        settings: of the comparison; with `tune: 0` nothing is done.
        wanted: the trials of the comparison, size by size.
        folder: of the comparison.
        progress: reports each trial.

    Returns:
        The trials with the settings that were found, and the searches.

    Raises:
        RunError: if the journal of a search is damaged.
    """
    if not settings.tune:
        return list(wanted), []
    last = wanted[-1].size
    searches = {
        (trial.method, trial.size): _search(settings, trial, folder, progress)
        for trial in wanted
        if trial.seed == settings.seeds[0] and (settings.tune_at == "each" or trial.size == last)
    }
    kept = {key: found for key, found in searches.items() if found is not None}
    retuned = []
    for trial in wanted:
        found = kept.get((trial.method, trial.size if settings.tune_at == "each" else last))
        retuned.append(with_settings(trial, found.best.settings) if found and found.best.number else trial)
    return retuned, list(kept.values())


def _search(settings: ComparisonConfig, trial: Trial, folder: Path, progress: Progress) -> Tuned | None:
    """Search settings for the method and the images of a trial; None if nothing is left to try."""
    name = trial.method
    space = space_of(trial.config, settings.common | settings.methods[name])
    if not space.parameters:
        progress.say(f"{name}: all its settings are given or found by itself: nothing to tune.")
        return None
    place = folder / names.STUDIES
    place.mkdir(exist_ok=True)
    described = hashlib.sha256(json.dumps(space.describe(), sort_keys=True).encode()).hexdigest()[:8]

    def score(batch: Sequence[Proposal], before: Sequence[Finished]) -> Iterator[Score]:
        for proposal in batch:
            wanted = with_settings(trial, proposal.settings) if proposal.number else trial
            features = replace(wanted.features, dataset=without_test(wanted.dataset), parts=wanted.features.parts.for_trials())
            yield network_scoring.score(features, watching(before, _PRUNING))

    progress.say(f"Tuning {name} on {trial.size} images per class: {settings.tune} trials.")
    searched: Searched = run_study(
        space, score, Budget(settings.tune), place / f"{trial.identity}-{described}.journal", {"trial": trial.identity}, progress,
        seed=trial.seed, batch=1, random_trials=_RANDOM,
    )  # fmt: skip
    tuned = Tuned(name, trial.size, searched.trials[: settings.tune])
    progress.say(told(tuned.facts()))
    return tuned


def with_settings(trial: Trial, settings: Mapping[str, Any]) -> Trial:
    """Return a trial with other settings, and with the identity that belongs to them."""
    config = trial.config.updated(**{key.replace(".", "__"): value for key, value in settings.items()})
    features = replace(trial.features, config=config)
    return replace(trial, features=features, identity=result_identity(config, features.extractor.feature_set.id, trial.dataset))


def told(facts: Mapping[str, Any]) -> str:
    """Return a sentence on a search, from `Tuned.facts`."""
    chosen = shown(facts["chosen"]) or "the settings as configured"
    stopped = f" ({facts['stopped_early']} stopped early)" if facts.get("stopped_early") else ""
    return (
        f"{facts['method']}: {facts['tried']} trials{stopped} in {facts['seconds']:,.0f} s; validation accuracy "
        f"{facts['val_accuracy_as_configured']:.3f} as configured, {facts['val_accuracy']:.3f} with {chosen}."
    )


def shown(settings: Mapping[str, Any]) -> str:
    """Return settings as text: `training.learning_rate=0.0021, augment.flip=true`."""
    return ", ".join(f"{key}={f'{value:.3g}' if isinstance(value, float) else label(value)}" for key, value in settings.items())


def table(searches: Sequence[Tuned]) -> pd.DataFrame:
    """Return one row per trial of the searches (columns `COLUMNS`)."""
    rows = [
        [one.method, one.size, trial.number, trial.score.value, trial.number == one.best.number, round(trial.score.seconds, 2),
         _failed(trial), shown(trial.settings)]
        for one in searches for trial in one.trials
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _failed(trial: Finished) -> str:
    """Return why a trial has no result of its own."""
    return f"stopped after {trial.score.step} epochs" if trial.score.pruned else str(trial.score.facts.get(FAILED, ""))
