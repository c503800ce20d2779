"""fit(): from a folder to a verified SavedModel. The only place that knows the order of the stages."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

from transfer import environment
from transfer.config import Config
from transfer.data import manifest as manifests
from transfer.data import pipeline
from transfer.data.classes import balance
from transfer.evaluation import predictions
from transfer.evaluation.metrics import evaluate
from transfer.export import joined, saved_model, verify
from transfer.features import store
from transfer.features.front import Front
from transfer.frozen_stage import FrozenStage
from transfer.plan import Plan, plan
from transfer.preparation import Preparation
from transfer.progress import Clock, Progress, Silent
from transfer.report import html, thumbnails
from transfer.run import (
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
from transfer.training.trained import Material, Trained

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
    """Train a classifier on a folder of pictures and publish it as a run.

    Args:
        data: `data/<class>/**/<picture>`, or `data/train|val|test/<class>/...`; a table (.csv, .parquet), `tfds:NAME`, or a
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
        prepared = self.prepared
        prepared.scan()
        prepared.divide()
        self.progress.say(balance(prepared.manifest, self.config.training.class_weights))
        front = prepared.front()
        with store.opened(front.feature_set) as opened:
            with self.clock("frozen pass"):
                prepared.compute(front, opened)
            with self.clock("checks"):
                self.findings = prepared.check(front, opened)
            with self.clock("frozen pass"):
                prepared.compute_views(front, opened)
            material = self._material(front, opened)
            trained, classifier = self._train(material)
        self._publish(trained, classifier, material, prepared.frozen)
        return trained.checkpoints

    def _train(self, material: Material) -> tuple[Trained, keras.Model]:
        prepared = self.prepared
        trained, classifier = prepared.train(material, prepared.compute_with_views)
        if prepared.frozen:
            prepared.config = prepared.frozen.config
        return trained, classifier

    def _material(self, front: Front, opened: store.Store) -> Material:
        classes = manifests.class_names(self.prepared.manifest)
        return Material(self.prepared.manifest, classes, opened, front, self.prepared.views(), self.config)

    def _publish(self, trained: Trained, classifier: keras.Model, material: Material, frozen: FrozenStage | None) -> None:
        parameters = joined.require_frozen(classifier, trained.model)
        test = material.rows("test")
        with self.clock("export"):
            classifier.save(self.draft.model)
            export = self.draft.path / EXPORT / "1"
            saved_model.write(classifier, material.classes, self.prepared.pictures, export)
        tolerances = self.config.export
        in_16bit = self.config.precision != "float32" or (frozen and frozen.boundary)  # maps for a suffix are stored in 16 bit
        tolerance = tolerances.tolerance_16bit if in_16bit else tolerances.tolerance_float32
        with self.clock("evaluation"):
            verified = verify.verify(
                export, self.draft.model, pipeline.files_of(self.prepared.root, test), list(test["width"] * test["height"]),
                trained.probabilities["test"], self.prepared.pictures, self.config.export.batch_size, tolerance, self.progress,
            )  # fmt: skip
        self._write(trained, material, verified, parameters, frozen)

    def _write(
        self, trained: Trained, material: Material, verified: verify.Verified, parameters: dict[str, float], frozen: FrozenStage | None
    ) -> None:
        draft, classes = self.draft, material.classes
        by_split = {"validation": trained.probabilities["validation"], "test": verified.probabilities}
        metrics = {split: evaluate(values, material.labels(split), classes) for split, values in by_split.items()}
        draft.write_text(CONFIG, self.config.to_yaml())
        manifests.write(self.prepared.manifest, draft.path / MANIFEST)
        draft.write_table(HISTORY, trained.history)
        draft.write_table(PREDICTIONS, predictions_table(material, by_split))
        self.findings.write(draft.path / FINDINGS)
        if frozen and frozen.cut_points is not None:
            draft.write_table(CUT_POINTS, frozen.cut_points)
        draft.write_json(ENVIRONMENT, environment.describe(self.config.precision, frozen.measured if frozen else None))
        facts: dict[str, Any] = {
            **metrics,
            "best_epoch": trained.best_epoch,
            "parameters": parameters,
            "weights_digest": frozen.pretrained.weights_digest if frozen else None,
            "agreement": verified.differences,
            "skipped": manifests.reason_counts(self.prepared.manifest),
            "images": {split: len(material.rows(split)) for split in manifests.SPLITS},
        }
        draft.write_json(METRICS, facts | {"timing": self.clock.rounded()})
        with self.clock("report"):
            pictures = thumbnails.of_findings(
                self.findings, self.prepared.root, self.prepared.manifest, html.FINDINGS_SHOWN, self.config.data
            )
            html.write(draft, self.findings, pictures)
        draft.write_json(METRICS, facts | {"timing": self.clock.rounded()})


def predictions_table(material: Material, probabilities: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return one row for each validation and test picture: path, split, label, predicted, one column a class."""
    rows = pd.concat([material.rows(split) for split in probabilities])
    values = np.concatenate(list(probabilities.values()))
    facts: dict[str, Any] = {name: rows[name].to_numpy() for name in ("path", "split", "label")}
    facts["predicted"] = [material.classes[number] for number in values.argmax(1)]
    return predictions.table(pd.DataFrame(facts, dtype=object), values, material.classes)
