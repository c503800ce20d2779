"""Truncation: where a backbone ends; `truncate_at: auto` chooses by cross-validation on the training split.

A regularised logistic regression is fitted on standardised, pooled features of each cut point; the shallowest cut point
within one standard error of the best is chosen (Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3).
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from transfer.config import AutoConfig
from transfer.data import folds
from transfer.data.folds import Fold
from transfer.errors import DataError
from transfer.features.extraction import extract, extract_views
from transfer.features.extractor import BackboneExtractor
from transfer.models.pretrained import FeatureSpec
from transfer.system.progress import Advance, Clock, Progress
from transfer.system.resources import one_thread
from transfer.training.feature_dataset import FeatureDataset

COLUMNS = ["cut", "features", "cv_accuracy", "standard_error", "chosen"]


@dataclass(frozen=True)
class Truncation:
    """Where a backbone ends.

    Attributes:
        cut: name of the cut point.
        table: comparison made by `truncate_at: auto` (columns `COLUMNS`); None if the cut point was given.
    """

    cut: str
    table: pd.DataFrame | None = None


def choose_truncation(features: FeatureDataset, progress: Progress, clock: Clock) -> Truncation | None:
    """Return the cut point of the configuration; `auto` is decided here, on the training split. None if there is no backbone.

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
        return Truncation(backbone.cut(config.truncate_at).name)
    with clock("truncation"):
        digests, labels = features.rows("train")["digest"].to_numpy(), features.labels("train")
        sample = _sample(len(labels), config.auto.max_images, config.seed)
        pooled = {}
        for output in features.extractor.outputs:
            cut, _, pooling = output.partition(":")
            if pooling in ("avg", "max"):
                rows, _ = features.stored("train", output)
                pooled[cut] = rows.take(sample)
        return Truncation(*select(pooled, labels[sample], list(digests[sample]), config.auto, config.seed, progress))


def with_whole_maps(features: FeatureDataset, truncation: Truncation | None, progress: Progress, clock: Clock) -> FeatureDataset:
    """Return the input features of the head: the same, or whole maps of a cut point that was chosen on pooled features."""
    extractor = features.extractor
    if truncation is None or truncation.table is None or features.config.head.pooling != "flatten":
        return features
    if not isinstance(extractor, BackboneExtractor):
        return features
    maps = [spec for spec in extractor.specs if spec.pooling == "map"]  # fine-tuning starts from them
    larger = extractor.with_specs(FeatureSpec(truncation.cut, "flatten"), *maps)
    with clock("feature extraction"):
        dataset = extract(features.dataset, larger, features.store, features.config, progress)
        dataset = extract_views(dataset, larger, features.store, features.config, progress)
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
) -> tuple[str, pd.DataFrame]:
    """Choose a cut point.

    Args:
        features: cut point -> float32 [n, width] of the training split, from the shallowest cut point to the top.
        labels: class number of each row, int [n].
        groups: rows of one group (here: the digest of the image) are never split between fitting and evaluation.
        config: folds and penalty.
        seed: seed of the folds.
        progress: reports each cut point.

    Returns:
        The chosen cut point, and the table of all of them (columns `COLUMNS`).

    Raises:
        DataError: if no class has two different images.
    """
    with progress.step("Choosing the cut point", len(features), "cut points") as advance:
        table = cross_validated(features, labels, groups, config, seed, advance)
    best = table.loc[table["cv_accuracy"].idxmax()]
    enough = table["cv_accuracy"] >= best["cv_accuracy"] - best["standard_error"]
    chosen = str(table.loc[enough.idxmax(), "cut"])
    return chosen, table.assign(chosen=table["cut"] == chosen)


def cross_validated(
    features: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: Sequence[str],
    config: AutoConfig,
    seed: int,
    advance: Advance = lambda count: None,
) -> pd.DataFrame:
    """Return the accuracy of each cut point and its standard error over images."""
    if folds.possible(labels, groups)[1] < 2:
        raise DataError(
            "truncate_at: auto compares cut points by cross-validation: at least one class needs two different training images. "
            "Name a cut point, for example --set truncate_at=top. Received one training image for each class."
        )
    divided = folds.stratified(labels, groups, config.folds, seed)
    rows = []
    for cut, table in features.items():
        right = np.concatenate([_right(table, labels, fold, config.inverse_penalty) for fold in divided])
        accuracy = float(right.mean())
        error = float(np.sqrt(accuracy * (1 - accuracy) / len(right)))
        rows.append({"cut": cut, "features": table.shape[1], "cv_accuracy": accuracy, "standard_error": error})
        advance(1)
    return pd.DataFrame(rows)


def _right(table: np.ndarray, labels: np.ndarray, fold: Fold, inverse_penalty: float) -> np.ndarray:
    """Fit on the training rows; return whether each row held out is classified correctly, bool [m]."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=inverse_penalty, max_iter=300, tol=1e-3))
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore")  # failed convergence shows in the accuracy
        if len(np.unique(labels[fold.train])) < 2:
            return labels[fold.held_out] == labels[fold.train][0]
        model.fit(table[fold.train], labels[fold.train])
    return np.asarray(model.predict(table[fold.held_out]) == labels[fold.held_out])
