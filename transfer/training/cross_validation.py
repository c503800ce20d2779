"""Cross-validation: each fold trains as the run does, on stored features, and predicts the images that were held out."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from transfer.config import Config
from transfer.data import folds
from transfer.data.dataset import Dataset
from transfer.evaluation import calibration, predictions
from transfer.evaluation.cross_validation import summary
from transfer.features.extractor import BackboneExtractor
from transfer.models import heads, joined
from transfer.system.progress import Clock, Progress, Silent
from transfer.training.feature_dataset import infer
from transfer.training.stages import train, train_head
from transfer.training.trained import Trained
from transfer.training.truncation import Truncation

OWN = "test"
"""Fold of the test images: the run's own model predicts them."""


@dataclass(frozen=True)
class CrossValidated:
    """Predictions of the n training and validation images by models that never saw them, in the order of the dataset.

    Attributes:
        index: of their rows in the dataset's table.
        labels: class numbers, int [n].
        fold: int [n], from 1.
        logits: float32 [n, classes].
        probabilities: calibrated on the validation images of each fold, float32 [n, classes].
        ratio: images held out of a fold, divided by the others.
        heads: of the folds, if their average is to be exported.
        checkpoints: files to delete once the run is published.
    """

    index: pd.Index
    labels: np.ndarray
    fold: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    ratio: float
    heads: tuple[keras.Model, ...]
    checkpoints: tuple[Path, ...]

    def metrics(self, classes: list[str]) -> dict[str, Any]:
        """Return the section `cross_validation` of `metrics.json`; see `evaluation.cross_validation.summary`."""
        return summary(self.probabilities, self.labels, self.fold, self.ratio, classes) | {"averaged": bool(self.heads)}

    def table(self, dataset: Dataset, test: np.ndarray) -> pd.DataFrame:
        """Return one row for each used image: path, split, label, fold, predicted, one column for each class (rounded).

        Args:
            dataset: of the run.
            test: calibrated probabilities of its test images, float32 [m, classes].
        """
        rows, of_test = dataset.used, dataset.rows("test").index
        values = pd.DataFrame(np.concatenate([self.probabilities, test]), self.index.append(of_test)).loc[rows.index].to_numpy()
        fold = pd.Series([*map(str, self.fold.tolist()), *[OWN] * len(of_test)], self.index.append(of_test), dtype=object)
        return predictions.of_images(rows, values, dataset.classes, before={"fold": fold[rows.index].to_numpy()})


def divided(dataset: Dataset, config: Config, progress: Progress) -> list[Dataset]:
    """Return the dataset of each fold; none without cross-validation.

    Raises:
        DataError: if there are too few images.
    """
    wanted = config.cross_validation.folds
    if wanted is None:
        return []
    found = folds.of_dataset(dataset, wanted, config.seed)
    if len(found) < wanted:
        progress.say(
            f"Cross-validation with {len(found)} folds instead of {wanted}: the smallest class has too few different images "
            "(or groups) that are not test images"
        )
    return found


def cross_validate(
    own: Trained, classifier: keras.Model, truncation: Truncation | None, progress: Progress, clock: Clock
) -> tuple[Trained, keras.Model, CrossValidated | None]:
    """Train once for each fold, if the configuration asks for folds.

    What the run decided on its training split (cut points, strength of a linear head) is not decided again.

    Args:
        own: the run's own training.
        classifier: joined from it.
        truncation: where the backbone ends; None: training from scratch.
        progress: reports each fold.
        clock: times all folds together.

    Returns:
        What is to be exported: as given, or the average of the heads; and the predictions, None without folds. The first has the
        checkpoints of all.

    Raises:
        DataError: if there are too few images for two folds.
    """
    parts = divided(own.features.dataset, own.features.config, progress)
    if not parts:
        return own, classifier, None
    done = _each(parts, own, truncation, progress, clock)
    own = replace(own, checkpoints=(*own.checkpoints, *done.checkpoints))
    if not done.heads or truncation is None or not isinstance(own.features.extractor, BackboneExtractor):
        return own, classifier, done
    return (*_averaged(own, done, truncation, own.features.extractor), done)


def _each(parts: Sequence[Dataset], own: Trained, truncation: Truncation | None, progress: Progress, clock: Clock) -> CrossValidated:
    config = own.features.config.updated(**own.decided)
    quick = truncation is not None and not config.unfreeze_from  # heads, in seconds
    done: list[CrossValidated] = []
    with clock("cross-validation"), progress.step("Cross-validation", len(parts), "folds") if quick else nullcontext() as advance:
        for number, part in enumerate(parts, start=1):
            features = replace(own.features, dataset=part, config=config)
            if quick and truncation is not None:
                trained = train_head(features, truncation, Silent())
            else:
                progress.say(f"Cross-validation: fold {number} of {len(parts)}")
                trained, _ = train(features, truncation, progress, Clock())
            done.append(_held_out(trained, number))
            if advance:
                advance(1)
    return _together(done)


def _held_out(trained: Trained, number: int) -> CrossValidated:
    """Return the predictions of one fold."""
    features = trained.features
    index, others = features.rows("test").index, len(features.rows("train")) + len(features.rows("validation"))
    return CrossValidated(
        index,
        features.labels("test"),
        np.full(len(index), number),
        trained.logits["test"],
        trained.probabilities["test"],
        len(index) / others,
        (trained.model,) if features.config.cross_validation.average else (),
        trained.checkpoints,
    )


def _together(done: Sequence[CrossValidated]) -> CrossValidated:
    index = done[0].index.append([fold.index for fold in done[1:]])
    order = np.argsort(index.to_numpy(), kind="stable")

    def ordered(columns: Iterable[np.ndarray]) -> np.ndarray:
        return np.concatenate(list(columns))[order]

    return CrossValidated(
        index[order],
        ordered(fold.labels for fold in done),
        ordered(fold.fold for fold in done),
        ordered(fold.logits for fold in done),
        ordered(fold.probabilities for fold in done),
        float(np.mean([fold.ratio for fold in done])),
        tuple(head for fold in done for head in fold.heads),
        tuple(path for fold in done for path in fold.checkpoints),
    )


def _averaged(own: Trained, done: CrossValidated, truncation: Truncation, extractor: BackboneExtractor) -> tuple[Trained, keras.Model]:
    """Return the average of the heads of all folds instead of the run's own, and the classifier joined from it.

    Each validation image was trained on by most of the heads, so its predictions, and the temperature, are those of the head that never
    saw it. A single head is a little more certain than the average, which therefore errs on the side of caution.
    """
    head = heads.average(done.heads)
    of_validation = done.index.get_indexer(own.features.rows("validation").index)
    logits = {"validation": done.logits[of_validation], "test": infer(head, own.features, "test", own.outputs)}
    temperature = calibration.temperature(done.logits, done.labels)
    pooling = own.features.config.head.pooling
    joint = joined.join(extractor.pretrained, truncation.cuts, pooling, head, temperature)
    return replace(own, model=head, logits=logits, temperature=temperature), joint
