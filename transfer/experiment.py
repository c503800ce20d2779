"""fit(): from a folder to a verified SavedModel. The only place that knows the order of the stages."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from transfer import environment
from transfer.config import Config
from transfer.data import manifest as manifests
from transfer.data import pipeline, sources, splits
from transfer.evaluation import predictions
from transfer.evaluation.metrics import evaluate
from transfer.export import joined, saved_model, verify
from transfer.features import extract, store
from transfer.features.front import Front, Pixels
from transfer.frozen_stage import FrozenStage
from transfer.networks.table import Backbone, find
from transfer.plan import Plan, plan
from transfer.progress import Clock, Progress, Silent
from transfer.report import html
from transfer.run import (
    CONFIG,
    CUT_POINTS,
    DEFAULT_OUTPUT,
    ENVIRONMENT,
    EXPORT,
    HISTORY,
    MANIFEST,
    METRICS,
    PREDICTIONS,
    Draft,
    Run,
    drafting,
)  # fmt: skip
from transfer.training import from_scratch
from transfer.training.trained import Material, Trained


def fit(
    data: str | os.PathLike[str] | None = None,
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
        data: `data/<class>/**/<picture>`, or `data/train|val|test/<class>/...`; a table (.csv, .parquet), or `tfds:NAME`;
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
        checkpoint = _Experiment(planned.config, draft, progress).run()
    checkpoint.unlink(missing_ok=True)
    return Run(planned.output / planned.name)


class _Experiment:
    """The stages of one run, in order; each adds to what the next ones need."""

    def __init__(self, config: Config, draft: Draft, progress: Progress) -> None:
        self.config, self.draft, self.progress = config, draft, progress
        self.clock = Clock()
        self.network = find(config.backbone)
        self.size = config.image_size or self.network.size
        self.pictures = pipeline.Pictures(self.size, config.data)
        self.manifest = pd.DataFrame()
        self.ready_made = False

    def run(self) -> Path:
        """Go through all stages and fill the draft; return the checkpoint that has served when it is published."""
        with self.clock("scan"):
            source = sources.read(self.config.data, self.progress)
            self.root, self.ready_made = source.root, source.ready_made
            self.scanned = source.manifest
            self._divide(source.manifest)
        frozen = None
        if isinstance(self.network, Backbone):
            frozen = FrozenStage(self.config, self.network, self.pictures, self.progress, self.clock)
            with self.clock("precision"):
                frozen.choose_precision(self.root, self.manifest)
                self.config = frozen.config
        front: Front = frozen.first_front() if frozen else Pixels(self.pictures)
        with store.opened(front.feature_set) as opened:
            with self.clock("frozen pass"):
                self._extract(front, opened)
            material = self._material(front, opened)
            if frozen:
                trained, classifier = frozen.train(material, self._extract)
                self.config = frozen.config
            else:
                assert not isinstance(self.network, Backbone)
                with self.clock("training"):
                    trained = from_scratch.train(material, self.network, self.size, self.progress)
                classifier = joined.from_scratch(trained.model)
        self._publish(trained, classifier, material, frozen)
        return trained.checkpoint

    def _divide(self, scanned: pd.DataFrame) -> None:
        self.manifest = splits.divide(scanned, self.config.data, self.config.seed, self.ready_made)

    def _extract(self, front: Front, opened: store.Store) -> None:
        """Pass all used pictures, then the augmented views of the training pictures, through the front part."""
        failures = self._compute(front, opened, manifests.used(self.manifest))
        if failures:
            # Splits do not depend on neighbours; only a gap that a damaged file had filled is filled anew.
            self._divide(manifests.skip(self.scanned, failures))
        if self.config.augment.views:
            usable = manifests.used(self.manifest)
            failures = self._compute(front, opened, usable[usable["split"] == "train"], self._views(), "Augmented views")
            self.manifest = manifests.skip(self.manifest, failures)

    def _views(self) -> extract.Views:
        augmentation = self.config.augment
        return extract.Views(augmentation.views, augmentation if augmentation.views else None, self.config.seed)

    def _compute(
        self,
        front: Front,
        opened: store.Store,
        rows: pd.DataFrame,
        views: extract.Views = extract.ONLY_PLAIN,
        title: str = "Frozen pass",
    ) -> dict[int, str]:
        done = extract.extract(
            rows, self.root, self.pictures, front.outputs, front, self.config.features.batch_size, opened, self.progress, views, title
        )
        return done.failures

    def _material(self, front: Front, opened: store.Store) -> Material:
        classes = manifests.class_names(self.manifest)
        return Material(self.manifest, classes, opened, front, self._views(), self.config)

    def _publish(self, trained: Trained, classifier: keras.Model, material: Material, frozen: FrozenStage | None) -> None:
        parameters = joined.require_frozen(classifier, trained.model)
        test = material.rows("test")
        with self.clock("export"):
            classifier.save(self.draft.model)
            export = self.draft.path / EXPORT / "1"
            saved_model.write(classifier, material.classes, self.pictures, export)
        tolerance = self.config.export.tolerance_float32 if self.config.precision == "float32" else self.config.export.tolerance_16bit
        with self.clock("evaluation"):
            verified = verify.verify(
                export, self.draft.model, pipeline.files_of(self.root, test), list(test["width"] * test["height"]),
                trained.probabilities["test"], self.pictures, self.config.export.batch_size, tolerance, self.progress,
            )  # fmt: skip
        self._write(trained, material, verified, parameters, frozen)

    def _write(
        self, trained: Trained, material: Material, verified: verify.Verified, parameters: dict[str, float], frozen: FrozenStage | None
    ) -> None:
        draft, classes = self.draft, material.classes
        by_split = {"validation": trained.probabilities["validation"], "test": verified.probabilities}
        metrics = {split: evaluate(values, material.labels(split), classes) for split, values in by_split.items()}
        draft.write_text(CONFIG, self.config.to_yaml())
        manifests.write(self.manifest, draft.path / MANIFEST)
        draft.write_table(HISTORY, trained.history)
        draft.write_table(PREDICTIONS, predictions_table(material, by_split))
        if frozen and frozen.cut_points is not None:
            draft.write_table(CUT_POINTS, frozen.cut_points)
        draft.write_json(ENVIRONMENT, environment.describe(self.config.precision, frozen.measured if frozen else None))
        facts: dict[str, Any] = {
            **metrics,
            "best_epoch": trained.best_epoch,
            "parameters": parameters,
            "weights_digest": frozen.pretrained.weights_digest if frozen else None,
            "agreement": verified.differences,
            "skipped": manifests.reason_counts(self.manifest),
            "images": {split: len(material.rows(split)) for split in manifests.SPLITS},
        }
        draft.write_json(METRICS, facts | {"timing": self._timing()})
        with self.clock("report"):
            html.write(draft)
        draft.write_json(METRICS, facts | {"timing": self._timing()})

    def _timing(self) -> dict[str, float]:
        rounded = {stage: round(seconds, 2) for stage, seconds in self.clock.seconds.items()}
        return rounded | {"total": round(self.clock.total(), 2)}


def predictions_table(material: Material, probabilities: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return one row for each validation and test picture: path, split, label, predicted, one column a class."""
    rows = pd.concat([material.rows(split) for split in probabilities])
    values = np.concatenate(list(probabilities.values()))
    facts: dict[str, Any] = {name: rows[name].to_numpy() for name in ("path", "split", "label")}
    facts["predicted"] = [material.classes[number] for number in values.argmax(1)]
    return predictions.table(pd.DataFrame(facts, dtype=object), values, material.classes)
