"""fit(): from a folder to a verified SavedModel. The only place that knows the order of the stages."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

from transfer.config import Config
from transfer.data import dataset as manifests
from transfer.data import pipeline
from transfer.data.classes import balance
from transfer.evaluation import ood_images, predictions
from transfer.evaluation.metrics import calibrated, evaluate
from transfer.exporters import saved_model, verify, warmup
from transfer.exporters.served import Served
from transfer.features import store
from transfer.models import joined
from transfer.runs import (
    CONFIG,
    CUT_POINTS,
    DEFAULT_OUTPUT,
    ENVIRONMENT,
    EXPORT,
    FINDINGS,
    HISTORY,
    MANIFEST,
    METRICS,
    PREDICTIONS,
    Draft,
    Run,
    drafting,
)  # fmt: skip
from transfer.system import environment
from transfer.system.energy import Meter
from transfer.system.progress import Clock, Progress, Silent
from transfer.training.feature_dataset import FeatureDataset, Trained
from transfer.workflows import ood_stage, report
from transfer.workflows.frozen_stage import FrozenStage
from transfer.workflows.ood_stage import OODStage
from transfer.workflows.preparation import Preparation
from transfer.workflows.requests import Plan, plan

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder


def fit(
    data: "str | os.PathLike[str] | DatasetBuilder | None" = None,
    config: Config | Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    output: str | os.PathLike[str] = DEFAULT_OUTPUT,
    overwrite: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Run:
    """Train a classifier on a folder of images and publish it as a run.

    Args:
        data: `data/<class>/**/<image>`, or `data/train|val|test/<class>/...`; a table (.csv, .parquet), `tfds:NAME`, or a
            `tfds.core.DatasetBuilder`;
            none: the configuration's `data.source`.
        config: a configuration, or keys of one (nested or dotted).
        name: of the run; none: made of the folder, the network and the time.
        output: where runs lie; the run's folder is `output/name`.
        overwrite: replace a run of this name.
        progress: told of each step; none: nothing is printed.
        **settings: further keys, `backbone="vgg16"`, `head={"dropout": 0.3}`, over those of `config`.

    Returns:
        The published run.

    Raises:
        TransferError: for whatever the user can mend; nothing is left behind but what the feature store keeps.
    """
    given = config.model_dump() if isinstance(config, Config) else dict(config or {})
    return run(plan(data, [given, settings], name, output, overwrite), progress or Silent())


def run(planned: Plan, progress: Progress) -> Run:
    """Carry out a plan; see `fit`."""
    with drafting(planned.output, planned.name, planned.overwrite) as draft:
        checkpoints = _Experiment(planned.config, draft, progress).run()
    for file in checkpoints:
        file.unlink(missing_ok=True)
    return Run(planned.output / planned.name)


@dataclass(frozen=True)
class _Result:
    """What the training gave."""

    trained: Trained
    classifier: keras.Model
    material: FeatureDataset
    familiar: OODStage
    frozen: FrozenStage | None


@dataclass(frozen=True)
class _Judged:
    """What the export says of the test images, and of images of other data."""

    served: Served
    verified: verify.Verified
    familiarity: dict[str, Any]


class _Experiment:
    """The stages of one run, in order; each adds to what the next ones need."""

    def __init__(self, config: Config, draft: Draft, progress: Progress) -> None:
        self.draft, self.progress = draft, progress
        self.clock = Clock()
        self.prepared = Preparation(config, progress, self.clock)

    @property
    def config(self) -> Config:
        """The configuration, with what was decided so far filled in."""
        return self.prepared.config

    def run(self) -> tuple[Path, ...]:
        """Go through all stages and fill the draft; return the checkpoints that have served when it is published."""
        meter = Meter(self.config.energy == "auto", None)
        with meter.measuring() as electricity:
            result = self._trained()
            judged = self._exported(result)
        energy = {"wh": None if math.isnan(electricity.wh) else electricity.wh, "source": meter.source}
        self._write(result, judged, energy)
        return result.trained.checkpoints

    def _trained(self) -> _Result:
        prepared = self.prepared
        prepared.scan()
        prepared.divide()
        self.progress.say(balance(prepared.manifest, self.config.training.class_weights))
        extractor = prepared.extractor()
        with store.opened(extractor.feature_set) as opened:
            with self.clock("frozen pass"):
                prepared.compute(extractor, opened)
            with self.clock("checks"):
                self.findings = prepared.check(extractor, opened)
            with self.clock("frozen pass"):
                prepared.compute_views(extractor, opened)
            classes = manifests.class_names(prepared.manifest)
            material = FeatureDataset(prepared.manifest, classes, opened, extractor, prepared.views(), self.config)
            trained, classifier = prepared.train(material, prepared.compute_with_views)
            if prepared.frozen:
                prepared.config = prepared.frozen.config
            with self.clock("training images to compare with"):
                familiar = OODStage(trained, classifier, prepared.root)
        return _Result(trained, classifier, material, familiar, prepared.frozen)

    def _exported(self, result: _Result) -> _Judged:
        material, reference, images = result.material, result.familiar.reference, self.prepared.image_spec
        test = material.rows("test")
        export = self.draft.path / EXPORT / "1"
        with self.clock("export"):
            result.classifier.save(self.draft.model)
            saved_model.write(result.classifier, material.classes, images, reference, export)
            warmup.write(export, ood_images.photographs(("JPEG", "PNG")))  # never the user's own: an export is given away
            reference.write(self.draft.ood_reference)
        in_16bit = self.config.precision != "float32" or bool(result.frozen and result.frozen.boundary)  # maps are stored in 16 bit
        with self.clock("evaluation"):
            served = Served(export)
            verified = verify.verify(
                served, self.draft.model, pipeline.files_of(self.prepared.root, test), list(test["width"] * test["height"]),
                result.trained.probabilities["test"], result.familiar.expected, images, self.config.export, in_16bit, self.progress,
            )  # fmt: skip
            seen = set(self.prepared.manifest["digest"])
            familiarity = ood_stage.judge(served, reference, verified.answers, seen, self.config)
        return _Judged(served, verified, familiarity)

    def _write(self, result: _Result, judged: _Judged, energy: dict[str, Any]) -> None:
        draft, trained, material, frozen = self.draft, result.trained, result.material, result.frozen
        answers = judged.verified.answers
        by_split = {"validation": trained.probabilities["validation"], "test": answers.probabilities}
        metrics = {split: evaluate(values, material.labels(split), material.classes) for split, values in by_split.items()}
        draft.write_text(CONFIG, self.config.to_yaml())
        manifests.write(self.prepared.manifest, draft.path / MANIFEST)
        draft.write_table(HISTORY, trained.history)
        ood_score = np.concatenate([result.familiar.validation, answers.ood_score])
        draft.write_table(PREDICTIONS, predictions_table(material, by_split, ood_score))
        self.findings.write(draft.path / FINDINGS)
        if frozen and frozen.cut_points is not None:
            draft.write_table(CUT_POINTS, frozen.cut_points)
        draft.write_json(ENVIRONMENT, environment.describe(self.config.precision, frozen.measured if frozen else None))
        facts: dict[str, Any] = {
            **metrics,
            "best_epoch": trained.best_epoch,
            "parameters": joined.require_frozen(result.classifier, trained.model),
            "weights_digest": frozen.pretrained.weights_digest if frozen else None,
            "agreement": judged.verified.differences,
            "calibration": calibrated(answers.probabilities, trained.temperature, material.labels("test")),
            "ood": judged.familiarity,
            "skipped": manifests.reason_counts(self.prepared.manifest),
            "images": {split: len(material.rows(split)) for split in manifests.SPLITS},
            "energy": energy,
        }
        draft.write_json(METRICS, facts | {"timing": self.clock.rounded()})
        with self.clock("report"):
            report.write(draft, self.prepared.root, judged.served)
        draft.write_json(METRICS, facts | {"timing": self.clock.rounded()})


def predictions_table(material: FeatureDataset, probabilities: Mapping[str, np.ndarray], ood_score: np.ndarray) -> pd.DataFrame:
    """Return one row for each validation and test image: path, split, label, predicted, ood_score, one column a class."""
    rows = pd.concat([material.rows(split) for split in probabilities])
    values = np.concatenate(list(probabilities.values()))
    facts: dict[str, Any] = {name: rows[name].to_numpy() for name in ("path", "split", "label")}
    facts["predicted"] = [material.classes[number] for number in values.argmax(1)]
    table = pd.DataFrame(facts, dtype=object).assign(ood_score=ood_score)
    return predictions.table(table, values, material.classes)
