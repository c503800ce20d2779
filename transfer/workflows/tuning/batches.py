"""Scores of the trials of a batch, each by itself, wherever an engine runs them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from transfer.engines import LOCAL, Engine, Lost
from transfer.errors import EngineError
from transfer.workflows.tuning.proposals import Proposal
from transfer.workflows.tuning.study import Finished, Score

Asked = tuple[Mapping[str, Any], Any]
"""A trial that shall be scored: its settings, and what it is measured against."""


class TrialScorer(Protocol):
    """Scores one trial. It may be sent to other machines: once, for all trials of a search."""

    def against(self, before: Sequence[Finished]) -> Any:
        """Return what hopeless trials are told by, of all trials of earlier batches; none: there are none yet."""
        ...

    def __call__(self, asked: Asked) -> Score:
        """Score a trial."""
        ...


@dataclass(frozen=True)
class BatchScorer:
    """Scores batches; see `study.Scorer`. As trials know nothing of their batch, they have the same scores in any order and anywhere."""

    scorer: TrialScorer
    engine: Engine = LOCAL

    def __call__(self, batch: Sequence[Proposal], before: Sequence[Finished]) -> Iterator[Score]:
        """Yield the scores of a batch.

        Raises:
            EngineError: if a trial ended its worker each time. It has no score: with one, the search would depend on the machines.
        """
        against = self.scorer.against(before)
        found = self.engine.map(self.scorer, [(proposal.settings, against) for proposal in batch])
        for proposal, score in zip(batch, found, strict=True):
            if isinstance(score, Lost):
                raise EngineError(
                    f"Trial {proposal.number} has no score: it {score.reason}. Most often memory was short. The trials before it are kept: "
                    "give workers more room (common.engine.cpus_per_worker, common.engine.workers), and run the same command again. "
                    f"Received {dict(proposal.settings)}."
                )
            yield score
