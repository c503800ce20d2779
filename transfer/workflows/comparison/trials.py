"""The trials of a comparison: method x size x seed, each with its images; training and evaluation of a trial."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from transfer.config import Config
from transfer.config.comparison import ComparisonConfig
from transfer.config.cut_points import listed
from transfer.data import subsets
from transfer.data.dataset import Dataset
from transfer.engines import LOCAL, Engine
from transfer.evaluation.metrics import evaluate
from transfer.models import joined
from transfer.system.energy import Meter
from transfer.system.progress import Clock, Silent
from transfer.training.feature_dataset import FeatureDataset
from transfer.training.fitting import Watch
from transfer.training.identity import result_identity
from transfer.training.stages import decided, train
from transfer.training.trained import Trained
from transfer.training.truncation import choose_truncation, with_whole_maps
from transfer.workflows.comparison.costs import Rate
from transfer.workflows.comparison.methods import Method
from transfer.workflows.comparison.records import Record


@dataclass(frozen=True)
class Trial:
    """One trial of a comparison.

    Attributes:
        method: its name.
        features: of the images of all three splits that the trial uses.
        identity: name of its record.
    """

    method: str
    size: str
    seed: int
    features: FeatureDataset = field(repr=False)
    identity: str

    @property
    def name(self) -> str:
        """Its name in the tables."""
        return f"{self.method}-{self.size}-{self.seed}"

    @property
    def config(self) -> Config:
        """Configuration of the method, with the seed of the trial."""
        return self.features.config

    @property
    def dataset(self) -> Dataset:
        """Its images."""
        return self.features.dataset


def trials(settings: ComparisonConfig, methods: Sequence[Method], dataset: Dataset, engine: Engine = LOCAL) -> tuple[list[Trial], str]:
    """Return all trials, size by size, so that an interrupted comparison already has complete sizes.

    Returns:
        The trials, and a sentence on sizes larger than the data; empty if there are none.
    """
    training, validation = dataset.rows("train"), dataset.rows("validation")
    most = max(subsets.distinct(training).values())
    sizes, beyond = subsets.collapsed(settings.sizes, most)
    proportional = settings.validation == "proportional"
    made = []
    for size in sizes:
        for seed in settings.seeds:
            kept = subsets.subset(training, validation, size, seed, proportional)
            # In the order of the dataset, as in `fit`.
            rows = dataset.used[dataset.used.index.isin(kept) | (dataset.used["split"] == "test")]
            part = replace(dataset, table=rows)
            for method in methods:
                config = method.config.updated(seed=seed)
                name = result_identity(config, method.extractor.feature_set.id, part)
                features = FeatureDataset(part, method.extractor, method.store, config, engine, method.parts)
                made.append(Trial(method.name, str(size), seed, features, name))
    return made, _beyond(beyond, most)


def _beyond(beyond: Sequence[subsets.Size], most: int) -> str:
    if not beyond:
        return ""
    listed = ", ".join(str(size) for size in beyond)
    return f"No class has more than {most} training images: {'size' if len(beyond) == 1 else 'sizes'} {listed} are run as all."


def train_trial(trial: Trial, rate: Rate, meter: Meter) -> Record:
    """Train and evaluate one trial on stored features; `fit` verifies that exports agree with them.

    Args:
        trial: what to train.
        rate: cost of feature extraction per image.
        meter: measures the energy of the training.

    Raises:
        TransferError: for any error that the user can fix, such as a learning rate at which training diverges.
    """
    features, clock, silent = trial.features, Clock(), Silent()
    started = time.perf_counter()
    with meter.measuring() as reading:
        truncation = choose_truncation(features, silent, clock)
        features = with_whole_maps(features, truncation, silent, clock)
        trained, classifier = train(features, truncation, silent, clock)
        # Extraction in between is not training: it is part of the cost of extraction, the same for every image.
        seconds = time.perf_counter() - started - clock.seconds.get("feature extraction", 0.0)
    _forget_checkpoints(trained)
    labels = {split: features.labels(split) for split in ("validation", "test")}
    figures = evaluate(trained.probabilities["test"], labels["test"], features.classes)
    parameters = joined.require_frozen(classifier, trained.model)
    train_images = len(features.rows("train"))
    extracted = train_images * (1 + trial.config.augment.views) + len(labels["validation"])
    cut = decided(trained, truncation).truncate_at if truncation or trial.config.unfreeze_from else ""
    return Record(
        train_images=train_images, validation_images=len(labels["validation"]), test_images=len(labels["test"]),
        accuracy=figures["accuracy"], macro_f1=figures["macro_f1"], log_loss=figures["log_loss"], ece=figures["ece"],
        val_accuracy=_accuracy(trained, features),
        best_epoch=int(trained.best_epoch), epochs=len(trained.history), truncate_at=listed(cut),
        parameters_trained=int(parameters["trained"]), parameters_total=int(parameters["total"]),
        seconds_frozen=extracted * rate.seconds, seconds_training=seconds,
        energy_wh=_sum(reading.wh, rate.wh, extracted), co2_g=_sum(reading.co2_g, rate.co2_g, extracted), energy_source=meter.source,
        predicted=[int(number) for number in trained.probabilities["test"].argmax(1)],
    )  # fmt: skip


@dataclass(frozen=True)
class Validated:
    """What the validation images say of a training; settings are chosen by it.

    Attributes:
        right: which of them are classified correctly, bool [n].
        by_epoch: accuracy on them after each epoch.
        epoch: whose weights were kept, from 1.
        weights: number of values in the kernels that were trained.
    """

    right: np.ndarray
    by_epoch: tuple[float, ...]
    epoch: int
    weights: int

    @property
    def accuracy(self) -> float:
        """Of the epoch that was kept."""
        return float(self.right.mean())


def validated(features: FeatureDataset, watch: Watch | None = None) -> Validated:
    """Train, and judge on the validation images; see `train_trial`.

    Args:
        features: stored rows; those of the test split play no part.
        watch: may end training from scratch before its time.

    Raises:
        TransferError: for any error that the user can fix.
        HopelessError: if `watch` ended it.
    """
    clock, silent = Clock(), Silent()
    truncation = choose_truncation(features, silent, clock)
    features = with_whole_maps(features, truncation, silent, clock)
    trained, _ = train(features, truncation, silent, clock, watch)
    _forget_checkpoints(trained)
    right = trained.probabilities["validation"].argmax(1) == features.labels("validation")
    weights = sum(int(np.prod(one.shape)) for one in trained.model.trainable_variables if len(one.shape) > 1)
    return Validated(right, tuple(map(float, trained.history["val_accuracy"])), int(trained.best_epoch), weights)


def _accuracy(trained: Trained, features: FeatureDataset) -> float:
    return float((trained.probabilities["validation"].argmax(1) == features.labels("validation")).mean())


def _forget_checkpoints(trained: Trained) -> None:
    for checkpoint in trained.checkpoints:
        checkpoint.unlink(missing_ok=True)


def _sum(training: float, image: float | None, images: int) -> float | None:
    return None if math.isnan(training) or image is None else training + image * images
