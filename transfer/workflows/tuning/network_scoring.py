"""The score of a network from scratch: its accuracy on the validation images after training on the training images.

A trial is hopeless if, after `prune_epochs` or more, the best validation accuracy of its epochs so far is below the median of what the
finished trials before it had reached in as many epochs (the median stopping rule of Golovin et al. 2017, "Google Vizier", section
3.1.2). Trials that stopped by themselves count with what they had reached. The rule knows no seconds, so that every machine stops the
same trials.
"""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from transfer.config.tuning import TuningConfig
from transfer.data.dataset import Dataset
from transfer.errors import TransferError
from transfer.training.feature_dataset import FeatureDataset, sent
from transfer.training.fitting import HopelessError, Watch
from transfer.workflows.comparison.trials import validated
from transfer.workflows.tuning.batches import Asked
from transfer.workflows.tuning.scoring import EPOCH, ERROR
from transfer.workflows.tuning.spaces import key_of, of_trial
from transfer.workflows.tuning.study import Finished, Score

BY_EPOCH, WEIGHTS, FAILED = "by_epoch", "weights", "failed"
"""What is kept of a score: accuracy after each epoch, number of values in the kernels of the network, why training failed."""

_DIGITS = 6


@dataclass(frozen=True)
class NetworkScorer:
    """Scores trials; see `batches.TrialScorer`. Sent to another machine, it takes the pixels with it; see `feature_dataset.sent`.

    Attributes:
        features: network and size -> stored pixels, without the test images; the configuration but for what the trials choose.
    """

    settings: TuningConfig
    features: Mapping[tuple[str, int], FeatureDataset]

    def __reduce__(self) -> tuple[Any, ...]:
        return NetworkScorer, (self.settings, sent(self.features))

    def against(self, before: Sequence[Finished]) -> Watch | None:
        """Return the rule by which a trial ends early."""
        return watching(before, self.settings)

    def __call__(self, asked: Asked) -> Score:
        settings, watch = asked
        source = self.features[key_of(self.features, settings)]
        return score(replace(source, config=of_trial(source.config, settings)), watch)


@dataclass(frozen=True)
class MedianRule:
    """Whether a training goes on; see `fitting.Watch`.

    Attributes:
        reached: for each finished trial, the best accuracy so far after each epoch.
        first: epoch from which on trainings are stopped.
    """

    reached: tuple[tuple[float, ...], ...]
    first: int

    def __call__(self, accuracies: Sequence[float]) -> bool:
        epoch = len(accuracies)
        if epoch < self.first:
            return True
        return bool(round(max(accuracies), _DIGITS) >= np.median([best[min(epoch, len(best)) - 1] for best in self.reached]))


def watching(before: Sequence[Finished], settings: TuningConfig) -> Watch | None:
    """Return the rule by which a trial ends early; none if it never does.

    Args:
        before: trials before it, in any order.
        settings: `prune_epochs` and `prune_trials`.
    """
    curves = [one.score.facts.get(BY_EPOCH) for one in before if not one.score.pruned]
    reached = [tuple(itertools.accumulate(curve, max)) for curve in curves if curve]
    if not settings.prune_epochs or len(reached) < settings.prune_trials:
        return None
    return MedianRule(tuple(reached), settings.prune_epochs)


def score(features: FeatureDataset, watch: Watch | None = None) -> Score:
    """Train once and return the score; a training that diverges has the score 0."""
    started = time.perf_counter()
    try:
        found = validated(features, watch)
    except HopelessError as hopeless:
        curve = _rounded(hopeless.accuracies)
        return Score(max(curve), True, len(curve), {BY_EPOCH: curve}, time.perf_counter() - started)
    except TransferError as error:  # a rate at which training diverges
        return Score(0.0, facts={FAILED: " ".join(str(error).split())}, seconds=time.perf_counter() - started)
    count = len(found.right)
    spread = float(found.right.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0
    facts = {ERROR: spread, EPOCH: found.epoch, BY_EPOCH: _rounded(found.by_epoch), WEIGHTS: found.weights}
    return Score(found.accuracy, facts=facts, seconds=time.perf_counter() - started)


def without_test(dataset: Dataset) -> Dataset:
    """Return a dataset without its test images: no score can depend on them."""
    return replace(dataset, table=dataset.table[dataset.table["split"] != "test"])


def _rounded(accuracies: Sequence[float]) -> list[float]:
    return [round(value, _DIGITS) for value in accuracies]
