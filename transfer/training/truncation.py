"""Truncation: where a backbone ends; `truncate_at: auto` chooses by cross-validation on the training split.

A regularised logistic regression is fitted on standardised, pooled features of each cut point, and of the uppermost ones together.
The first within one standard error of the best is chosen: the shallowest single cut point, or else the fewest together (Breiman et
al. 1984, "Classification and Regression Trees", section 3.4.3).
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from transfer.config import AutoConfig, HeadConfig
from transfer.config.cut_points import listed
from transfer.data import folds
from transfer.data.folds import Fold
from transfer.data.groups import units
from transfer.errors import DataError
from transfer.features.extraction import extract, extract_views
from transfer.features.extractor import BackboneExtractor
from transfer.features.specs import candidates
from transfer.models import heads
from transfer.models.pretrained import FeatureSpec, head_specs
from transfer.system.progress import Advance, Clock, Progress
from transfer.system.resources import one_thread
from transfer.training.feature_dataset import FeatureDataset

COLUMNS = ["cut", "features", "cv_accuracy", "standard_error", "chosen"]


@dataclass(frozen=True)
class Truncation:
    """Where a backbone ends.

    Attributes:
        cuts: names of the cut points, from the shallowest up.
        table: comparison made by `truncate_at: auto` (columns `COLUMNS`); None if the cut points were given.
    """

    cuts: tuple[str, ...]
    table: pd.DataFrame | None = None


def choose_truncation(features: FeatureDataset, progress: Progress, clock: Clock) -> Truncation | None:
    """Return the cut points of the configuration; `auto` is decided here, on the training split. None if there is no backbone.

    Args:
        features: with `auto`, the features of all cut points.
        progress: reports each cut point.
        clock: times the choice.

    Raises:
        DataError: if no class has two different images.
    """
    config = features.config
    if not isinstance(features.extractor, BackboneExtractor):
        return None
    backbone = features.extractor.pretrained.backbone
    if config.truncate_at != "auto":
        return Truncation(tuple(cut.name for cut in backbone.cuts_of(config.truncate_at)))
    with clock("truncation"):
        groups, labels = units(features.rows("train")).to_numpy(), features.labels("train")
        sample = _sample(len(labels), config.auto.max_images, config.seed)
        pooling = config.head.pooling if config.head.pooling != "flatten" else "avg"
        pooled = {}
        for cut in candidates(config, backbone):
            rows, _ = features.stored("train", tuple(spec.name for spec in head_specs([cut.name], pooling)))
            pooled[cut.name] = rows.take(sample)
        several = config.head.pooling != "flatten"
        return Truncation(*select(pooled, labels[sample], list(groups[sample]), config.auto, config.seed, progress, several))


def with_whole_maps(features: FeatureDataset, truncation: Truncation | None, progress: Progress, clock: Clock) -> FeatureDataset:
    """Return the input features of the head: the same, or whole maps of a cut point that was chosen on pooled features."""
    extractor = features.extractor
    if truncation is None or truncation.table is None or features.config.head.pooling != "flatten":
        return features
    if not isinstance(extractor, BackboneExtractor):
        return features
    maps = [spec for spec in extractor.specs if spec.pooling == "map"]  # fine-tuning starts from them
    larger = extractor.with_specs(FeatureSpec(truncation.cuts[0], "flatten"), *maps)
    with clock("feature extraction"):
        dataset = extract(features.dataset, larger, features.own_store, features.config, progress, features.engine)
        dataset = extract_views(dataset, larger, features.own_store, features.config, progress, features.engine)
    return replace(features, dataset=dataset, extractor=larger)


def _sample(count: int, most: int, seed: int) -> np.ndarray:
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def select(
    features: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: Sequence[str],
    config: AutoConfig,
    seed: int,
    progress: Progress,
    several: bool = True,
) -> tuple[tuple[str, ...], pd.DataFrame]:
    """Choose a cut point, or the uppermost ones together.

    Args:
        features: cut point -> float32 [n, width] of the training split, from the shallowest cut point to the top.
        labels: class number of each row, int [n].
        groups: rows of one group are never split between fitting and evaluation.
        config: folds and penalty.
        seed: seed of the folds.
        progress: reports each candidate.
        several: whether the uppermost cut points together are candidates too.

    Returns:
        The chosen cut points, and the table of all candidates (columns `COLUMNS`).

    Raises:
        DataError: if no class has two different images.
    """
    cuts = list(features)
    tried = [(cut,) for cut in cuts] + [tuple(cuts[-count:]) for count in range(2, len(cuts) + 1) if several]
    with progress.step("Choosing the cut points", len(tried), "candidates") as advance:
        table = cross_validated(features, labels, groups, config, seed, advance, tried)
    best = table.loc[table["cv_accuracy"].idxmax()]
    enough = table["cv_accuracy"] >= best["cv_accuracy"] - best["standard_error"]
    first = int(enough.idxmax())
    return tried[first], table.assign(chosen=table.index == first)


def cross_validated(
    features: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: Sequence[str],
    config: AutoConfig,
    seed: int,
    advance: Advance = lambda count: None,
    tried: Sequence[tuple[str, ...]] | None = None,
) -> pd.DataFrame:
    """Return the accuracy of each candidate and its standard error over images; none named: each cut point."""
    if folds.possible(labels, groups)[1] < 2:
        raise DataError(
            "truncate_at: auto compares cut points by cross-validation: at least one class needs two different training images. "
            "Name a cut point, for example --set truncate_at=top. Received one training image for each class."
        )
    divided = folds.stratified(labels, groups, config.folds, seed)
    rows = []
    for cuts in tried if tried is not None else [(cut,) for cut in features]:
        table = np.concatenate([features[cut] for cut in cuts], axis=1) if len(cuts) > 1 else features[cuts[0]]
        scale = heads.scales([features[cut].shape[1] for cut in cuts], HeadConfig())
        right = np.concatenate([_right(table, scale, labels, fold, config.inverse_penalty) for fold in divided])
        accuracy = float(right.mean())
        error = float(np.sqrt(accuracy * (1 - accuracy) / len(right)))
        rows.append({"cut": listed(cuts), "features": table.shape[1], "cv_accuracy": accuracy, "standard_error": error})
        advance(1)
    return pd.DataFrame(rows)


def _right(table: np.ndarray, scale: np.ndarray, labels: np.ndarray, fold: Fold, inverse_penalty: float) -> np.ndarray:
    """Fit on the training rows, standardised and scaled; return whether each row held out is classified correctly, bool [m]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(C=inverse_penalty, max_iter=300, tol=1e-3)
    standard = StandardScaler().fit(table[fold.train])
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore")  # failed convergence shows in the accuracy
        if len(np.unique(labels[fold.train])) < 2:
            return labels[fold.held_out] == labels[fold.train][0]
        model.fit(standard.transform(table[fold.train]) * scale, labels[fold.train])
        found = model.predict(standard.transform(table[fold.held_out]) * scale)
    return np.asarray(found == labels[fold.held_out])
