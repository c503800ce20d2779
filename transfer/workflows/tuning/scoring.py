"""The score of a head: repeated, stratified, grouped cross-validation on the stored features of training and validation images.

One epoch counts for all folds of a trial: the one with the least mean loss of the images held out, as in xgboost's `cv`; otherwise each
fold would choose the epoch on the images that it is judged by. A trial is hopeless after its first folds if, on the same images, it is
right less often than the best finished trial of earlier batches by more than `prune_errors` standard errors of the difference.
"""

import base64
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transfer.config import Config
from transfer.config.tuning import TuningConfig
from transfer.data import folds
from transfer.data.folds import Fold
from transfer.models import heads
from transfer.models.own.parts import NONE, Parts
from transfer.models.pretrained import head_specs
from transfer.models.registry import Backbone
from transfer.training import own_head_curves
from transfer.training.head import own_head
from transfer.training.many_heads import Curve, dense_curves, linear_curves
from transfer.workflows.tuning.batches import Asked
from transfer.workflows.tuning.spaces import key_of, of_trial
from transfer.workflows.tuning.study import Finished, Score

IMAGES, ERROR, FOLDS, EPOCH, FEATURES = "images", "standard_error", "folds", "epoch", "features"
"""What is kept of a score: how often each image was right (`packed`), the error of the mean, the folds, the best epoch, the width of
the head's input."""

_WORST_LOSS = 20.0  # log loss in place of an infinite one

Read = Callable[[tuple[str, ...], int], np.ndarray]
"""(outputs of the extractor, number of views) -> their columns side by side, float32 [(1 + views) * n, width]: plain rows, then views."""


@dataclass(frozen=True)
class Images:
    """The training and validation images, without which no score is made; of the test images, nothing is here.

    Attributes:
        labels: class number of each image, int [n].
        classes: number of classes.
        divisions: for each repeat, its folds.
    """

    labels: np.ndarray
    classes: int
    divisions: tuple[tuple[Fold, ...], ...]

    @classmethod
    def divided(cls, labels: np.ndarray, groups: Sequence[str], classes: int, settings: TuningConfig) -> "Images":
        """Divide images into folds, as often as the settings say.

        Raises:
            DataError: if no class has two groups.
        """
        seeds = [int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0] >> 1) for number in range(settings.repeats)]
        made = tuple(tuple(folds.stratified(labels, groups, settings.folds, seed)) for seed in seeds)
        return cls(labels, classes, made)


@dataclass(frozen=True)
class Pass:
    """The stored features of one backbone at one size.

    Attributes:
        config: complete, but for what the trials choose.
        widths: output -> number of its features.
        read: reads outputs.
    """

    config: Config
    backbone: Backbone
    widths: Mapping[str, int]
    read: Read

    def outputs(self, trial: Config) -> tuple[str, ...]:
        """Return the names of the outputs that a trial uses, by its cut points and pooling."""
        cuts = [cut.name for cut in self.backbone.cuts_of(trial.truncate_at)]
        return tuple(spec.name for spec in head_specs(cuts, trial.head.pooling))


@dataclass(frozen=True)
class HeadScorer:
    """Scores trials; see `batches.TrialScorer`."""

    settings: TuningConfig
    images: Images
    passes: Mapping[tuple[Any, Any], Pass]
    parts: Parts = NONE

    def against(self, before: Sequence[Finished]) -> Finished | None:
        """Return the best finished trial."""
        return max((one for one in before if not one.score.pruned), key=lambda one: (one.score.value, -one.number), default=None)

    def __call__(self, asked: Asked) -> Score:
        return self.score(*asked)

    def score(self, settings: Mapping[str, Any], leader: Finished | None) -> Score:
        """Score one configuration."""
        started = time.perf_counter()
        source = self.source(settings)
        config = of_trial(source.config, settings)
        outputs = source.outputs(config)
        rows = standardised(
            source.read(outputs, config.augment.views), [source.widths[name] for name in outputs], len(self.images.labels), config
        )
        trial, divided = (
            _Trial(self.settings, self.images, config, rows, self.parts),
            [fold for division in self.images.divisions for fold in division],
        )
        first = self.settings.prune_after if leader is not None and self.settings.prune_after < len(self.images.divisions[0]) else 0
        curves = trial.curves(divided[:first])
        if leader is not None and first:
            begun = trial.judged(divided[:first], curves)
            if hopeless(begun, unpacked(leader.score.facts[IMAGES]), self.settings.prune_errors):
                facts = begun.facts | {FEATURES: rows.shape[1]}
                return Score(begun.value, True, first, facts, time.perf_counter() - started)
        result = trial.judged(divided, [*curves, *trial.curves(divided[first:])])
        facts = result.facts | {IMAGES: packed(result.images), FEATURES: rows.shape[1]}
        return Score(result.value, facts=facts, seconds=time.perf_counter() - started)

    def source(self, settings: Mapping[str, Any]) -> Pass:
        """Return the features that a trial uses."""
        return self.passes[key_of(self.passes, settings)]


@dataclass(frozen=True)
class _Result:
    """Folds of a trial.

    Attributes:
        positions: of the images that were held out, int [m].
        images: share of the repeats in which each was classified correctly, float [m].
        value: what is maximised.
        facts: see `study.Score`.
    """

    positions: np.ndarray
    images: np.ndarray
    value: float
    facts: dict[str, Any]


@dataclass(frozen=True)
class _Trial:
    """A configuration and its features, `standardised`."""

    settings: TuningConfig
    images: Images
    config: Config
    rows: np.ndarray
    parts: Parts = NONE

    def curves(self, wanted: Sequence[Fold]) -> list[Curve]:
        """Fit heads on folds."""
        chosen = [self._with_views(fold) for fold in wanted]
        labels = np.tile(self.images.labels, len(self.rows) // len(self.images.labels))
        penalty = self.config.head.inverse_penalty
        if self.config.head.kind == "linear" and penalty is not None:
            return linear_curves(self.rows, labels, self.images.classes, self.config, chosen, penalty)
        if make := own_head(self.config, self.parts):
            return own_head_curves.curves(self.rows, labels, self.images.classes, self.config, chosen, make)
        return dense_curves(self.rows, labels, self.images.classes, self.config, chosen)

    def _with_views(self, fold: Fold) -> Fold:
        """Return a fold that also trains on the views of its images."""
        plain = len(self.images.labels)
        return Fold(np.concatenate([fold.train + start for start in range(0, len(self.rows), plain)]), fold.held_out)

    def judged(self, wanted: Sequence[Fold], curves: Sequence[Curve]) -> _Result:
        """Judge folds at their common epoch."""
        shortest = min(len(curve.log_loss) for curve in curves)
        losses = np.mean([curve.log_loss[:shortest] for curve in curves], axis=0)
        epoch = int(np.argmin(losses))
        right, times = np.zeros(len(self.images.labels)), np.zeros(len(self.images.labels))
        for fold, curve in zip(wanted, curves, strict=True):
            right[fold.held_out] += curve.right[epoch]
            times[fold.held_out] += 1
        positions = np.flatnonzero(times)
        shares = right[positions] / times[positions]
        accuracy = self.settings.metric == "accuracy"
        values = np.array([curve.accuracy[epoch] if accuracy else -curve.log_loss[epoch] for curve in curves])
        values = np.nan_to_num(values, neginf=-_WORST_LOSS)  # training diverged
        of_mean = shares if accuracy else values
        spread = of_mean.std(ddof=1) / np.sqrt(len(of_mean)) if len(of_mean) > 1 else 0.0
        facts = {
            FOLDS: [round(float(value), 6) for value in values],
            ERROR: float(spread),
            EPOCH: None if self.config.head.kind == "linear" else epoch + 1,
        }
        return _Result(positions, shares, float(np.average(values, weights=[len(fold.held_out) for fold in wanted])), facts)


def hopeless(begun: _Result, leader: np.ndarray, errors: float) -> bool:
    """Return whether a trial is behind the leader, on the images of its first folds, by more than so many standard errors."""
    difference = leader[begun.positions] - begun.images
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return bool(difference.mean() > errors * error)


def standardised(rows: np.ndarray, widths: Sequence[int], plain: int, config: Config) -> np.ndarray:
    """Return features as the head's first dense layer gets them, float32: zero mean and unit variance over the plain rows, each block
    weighted as `heads.scales` says."""
    if not config.head.standardize:
        return np.ascontiguousarray(rows, np.float32)
    mean, variance = rows[:plain].mean(0, dtype=np.float64), rows[:plain].var(0, dtype=np.float64)
    deviation = np.sqrt(heads.safe(variance))
    return ((rows - mean) / deviation * heads.scales(widths, config.head)).astype(np.float32)


def packed(shares: np.ndarray) -> str:
    """Return shares from 0 to 1 in 255ths, as text."""
    return base64.b64encode(zlib.compress(np.round(shares * 255).astype(np.uint8).tobytes(), 9)).decode()


def unpacked(text: str) -> np.ndarray:
    """Return the shares that `packed` packed."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8) / 255
