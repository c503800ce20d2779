"""One run of a comparison: its subset, one training, the test images judged."""

import math
import time
from collections.abc import Sequence

import keras

from transfer.evaluation.metrics import evaluate
from transfer.features.extractor import FeatureExtractor
from transfer.features.store import Store
from transfer.models import joined
from transfer.system.energy import Meter
from transfer.training.feature_dataset import FeatureDataset, Trained
from transfer.workflows.comparison.costs import Rate
from transfer.workflows.comparison.jobs import Job
from transfer.workflows.comparison.records import Record


def train(job: Job, classes: Sequence[str], rate: Rate, meter: Meter) -> Record:
    """Train and judge one run, by the stored-feature path, with which `fit` verifies that its export agrees.

    Args:
        job: the run.
        classes: names of all classes.
        rate: cost of an image in the frozen pass.
        meter: measures the energy of the training.

    Raises:
        TransferError: for what the user can mend, such as a rate with which the training diverges.
    """
    prepared, method = job.method.prepared, job.method
    material = FeatureDataset(job.rows, list(classes), method.opened, method.extractor, prepared.views(), job.config)
    passed = _Passes(job)
    started = time.perf_counter()
    with meter.measuring() as reading:
        trained, classifier, truncate_at = _fit(job, material, passed)
        seconds = time.perf_counter() - started - passed.seconds
    for checkpoint in trained.checkpoints:
        checkpoint.unlink(missing_ok=True)
    labels = {split: material.labels(split) for split in ("validation", "test")}
    figures = evaluate(trained.probabilities["test"], labels["test"], list(classes))
    parameters = joined.require_frozen(classifier, trained.model)
    train_images = len(material.rows("train"))
    frozen = train_images * (1 + job.config.augment.views) + len(labels["validation"])
    return Record(
        train_images=train_images, validation_images=len(labels["validation"]), test_images=len(labels["test"]),
        accuracy=figures["accuracy"], macro_f1=figures["macro_f1"], log_loss=figures["log_loss"], ece=figures["ece"],
        val_accuracy=float((trained.probabilities["validation"].argmax(1) == labels["validation"]).mean()),
        best_epoch=int(trained.best_epoch), epochs=len(trained.history), truncate_at=truncate_at,
        parameters_trained=int(parameters["trained"]), parameters_total=int(parameters["total"]),
        seconds_frozen=frozen * rate.seconds, seconds_training=seconds,
        energy_wh=_sum(reading.wh, rate.wh, frozen), co2_g=_sum(reading.co2_g, rate.co2_g, frozen), energy_source=meter.source,
        predicted=[int(number) for number in trained.probabilities["test"].argmax(1)],
    )  # fmt: skip


class _Passes:
    """Passes that a stage asks for while it trains; their seconds are counted with the frozen pass, not with the training."""

    def __init__(self, job: Job) -> None:
        self.job, self.seconds = job, 0.0

    def __call__(self, extractor: FeatureExtractor, opened: Store) -> None:
        started = time.perf_counter()
        self.job.method.prepared.compute_with_views(extractor, opened)
        self.seconds += time.perf_counter() - started


def _fit(job: Job, material: FeatureDataset, passed: _Passes) -> tuple[Trained, keras.Model, str]:
    prepared = job.method.prepared
    if prepared.frozen:
        prepared.frozen.config, prepared.frozen.cut_points = job.config, None
    trained, classifier = prepared.train(material, passed)
    if prepared.frozen:
        return trained, classifier, prepared.frozen.config.truncate_at
    return trained, classifier, job.config.truncate_at if job.config.unfreeze_from else ""


def _sum(training: float, image: float | None, images: int) -> float | None:
    return None if math.isnan(training) or image is None else training + image * images
