"""A made-up search: a space with conditions, and a scorer that is a formula."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from transfer.config.search_space import Choices, Parameter, Range, Space
from transfer.system.progress import Silent
from transfer.workflows.tuning.proposals import Proposal
from transfer.workflows.tuning.study import Budget, Finished, Score, Searched, run_study

SPACE = Space(
    (
        Parameter("truncate_at", Choices(("block4_pool", ("block4_pool", "block5_pool"), "block5_pool"))),
        Parameter("head.kind", Choices(("dense", "linear"))),
        Parameter("head.dropout", Range(0.0, 0.8), ("head.kind", "dense")),
        Parameter("head.l2", Range(1e-5, 0.1, log=True), ("head.kind", "dense")),
        Parameter("head.dense", Range(16, 512, log=True, whole=True), ("head.kind", "dense")),
        Parameter("head.inverse_penalty", Range(1e-4, 1.0, log=True), ("head.kind", "linear")),
    ),
    ({"truncate_at": "block5_pool", "head.kind": "dense", "head.dropout": 0.5, "head.l2": 0.01},),
)


def value(settings: dict[str, Any]) -> float:
    """The score of a trial: best with the top, dense, dropout 0.3, L2 0.01."""
    top = 0.1 * (settings["truncate_at"] == "block5_pool")
    if settings["head.kind"] == "linear":
        return 0.6 + top - 0.05 * (math.log10(settings["head.inverse_penalty"]) + 2) ** 2
    return 0.65 + top - (settings["head.dropout"] - 0.3) ** 2 - 0.02 * (math.log10(settings["head.l2"]) + 2) ** 2


def score(batch: Sequence[Proposal], before: Sequence[Finished]) -> Iterator[Score]:
    """Score a batch; poor trials are pruned once there are others."""
    for proposal in batch:
        found = value(proposal.settings)
        pruned = bool(before) and found < 0.55
        yield Score(found, pruned, 2 if pruned else 0, {"standard_error": 0.01, "features": 512, "folds": [found, found / 3], "epoch": 3})


def search(file: Path, trials: int, scorer: Callable[..., Any] = score, **changes: Any) -> Searched:
    """Search with a budget of so many trials."""
    settings: dict[str, Any] = {"seed": 0, "batch": 8, "random_trials": 10, "identity": {"images": "12"}, "space": SPACE} | changes
    space, identity, budget = settings.pop("space"), settings.pop("identity"), Budget(trials, settings.pop("seconds", None))
    return run_study(space, scorer, budget, file, identity, Silent(), **settings)


def table(searched: Searched) -> list[tuple[Any, ...]]:
    """The trials of a search, without the seconds they took."""
    return [(one.number, one.settings, one.score.value, one.score.pruned, one.score.facts) for one in searched.trials]
