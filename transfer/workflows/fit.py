"""fit(): from a folder of images to a verified SavedModel."""

import math
import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pandas as pd

from transfer.config import Config
from transfer.data import dataset as manifests
from transfer.data import pipeline, sources
from transfer.data.classes import balance
from transfer.data.splits import split
from transfer.evaluation import ood_images, predictions
from transfer.evaluation.metrics import calibrated, evaluate
from transfer.exporters import saved_model, warmup
from transfer.exporters.served import Served
from transfer.exporters.verify import Verified, verify
from transfer.features.extraction import extract, extract_views
from transfer.features.extractor import BackboneExtractor, freeze_boundary, load_extractor
from transfer.features.store import open_store
from transfer.models import joined
from transfer.quality.checks import check
from transfer.quality.findings import Findings
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
from transfer.system import devices, environment
from transfer.system.energy import Meter
from transfer.system.progress import Clock, Progress, Silent
from transfer.training.feature_dataset import FeatureDataset
from transfer.training.stages import decided, train
from transfer.training.trained import Trained
from transfer.training.truncation import Truncation, choose_truncation, with_maps
from transfer.workflows import report
from transfer.workflows.ood import OODReference, choose_reference, evaluate_ood
from transfer.workflows.requests import Data, FitRequest, fit_request


def fit(
    data: Data = None,
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
            `tfds.core.DatasetBuilder`; none: the configuration's `data.source`.
        config: a configuration, or keys of one (nested or dotted).
        name: name of the run; none: made from the data, the backbone and the time.
        output: folder of all runs; this one is written to `output/name`.
        overwrite: replace a run of this name.
        progress: reports each step; none: nothing is printed.
        **settings: further keys, `backbone="vgg16"`, `head={"dropout": 0.3}`; they override `config`.

    Returns:
        The published run.

    Raises:
        TransferError: for any error that the user can fix; only stored features and checkpoints are left behind.
    """
    given = config.model_dump() if isinstance(config, Config) else dict(config or {})
    return carry_out(fit_request(data, [given, settings], name, output, overwrite), progress or Silent())


def carry_out(request: FitRequest, progress: Progress) -> Run:
    """Carry out a request; see `fit`."""
    config, clock = request.config, Clock()
    devices.prepare(config.training.devices, progress)
    meter = Meter(config.energy == "auto", None)
    with drafting(request.output, request.name, request.overwrite) as draft:
        with meter.measuring() as electricity:
            with clock("scan"):
                dataset = sources.read(config.data, progress)
            dataset = split(dataset, config.data, config.seed)
            progress.say(balance(dataset.table, config.training.class_weights))
            with clock("precision"):
                extractor = load_extractor(config, dataset, progress)
            with open_store(extractor.feature_set) as store:
                with clock("feature extraction"):
                    dataset = extract(dataset, extractor, store, config, progress)
                with clock("checks"):
                    dataset, findings = check(dataset, extractor, store, config)
                with clock("feature extraction"):
                    dataset = extract_views(dataset, extractor, store, config, progress)
                features = FeatureDataset(dataset, extractor, store, config)
                truncation = choose_truncation(features, progress, clock)
                features = with_maps(features, truncation, progress, clock)
                trained, classifier = train(features, truncation, progress, clock)
                with clock("OOD reference"):
                    ood = choose_reference(trained, classifier)
            with clock("export"):
                served = export(draft, classifier, trained, ood)
            with clock("evaluation"):
                verified = verify_export(draft, served, trained, ood, progress)
                ood_metrics = evaluate_ood(served, ood.reference, verified.answers, set(dataset.table["digest"]), config)
        energy = {"wh": None if math.isnan(electricity.wh) else electricity.wh, "source": meter.source}
        metrics = run_metrics(trained, classifier, verified) | {"ood": ood_metrics, "energy": energy}
        write_tables(draft, trained, truncation, findings, verified, ood)
        draft.write_json(METRICS, metrics | {"timing": clock.rounded()})
        with clock("report"):
            report.write(draft, dataset.root, served)
        draft.write_json(METRICS, metrics | {"timing": clock.rounded()})
    for checkpoint in trained.checkpoints:
        checkpoint.unlink(missing_ok=True)
    return Run(request.output / request.name)


def export(draft: Draft, classifier: keras.Model, trained: Trained, ood: OODReference) -> Served:
    """Write the Keras model, the SavedModel with its warm-up requests, and the OOD reference; return the SavedModel, loaded."""
    features, folder = trained.features, draft.path / EXPORT / "1"
    classifier.save(draft.model)
    saved_model.write(classifier, features.classes, features.extractor.image_spec, ood.reference, folder)
    warmup.write(folder, ood_images.photographs(("JPEG", "PNG")))  # never the user's images: exports are shared
    ood.reference.write(draft.ood_reference)
    return Served(folder)


def verify_export(draft: Draft, served: Served, trained: Trained, ood: OODReference, progress: Progress) -> Verified:
    """Verify the export on the bytes of the test files; see `verify.verify` for what must agree."""
    features, test = trained.features, trained.features.rows("test")
    extractor = features.extractor
    maps_in_16bit = isinstance(extractor, BackboneExtractor) and freeze_boundary(features.config, extractor.pretrained.backbone)
    return verify(
        served, draft.model, pipeline.files_of(features.dataset.root, test), list(test["width"] * test["height"]),
        trained.probabilities["test"], ood.expected, extractor.image_spec, features.config.export,
        extractor.precision != "float32" or bool(maps_in_16bit), progress,
    )  # fmt: skip


def run_metrics(trained: Trained, classifier: keras.Model, verified: Verified) -> dict[str, Any]:
    """Return the content of `metrics.json` except energy, timing and OOD; test metrics are those of the export."""
    features, answers = trained.features, verified.answers
    by_split = {"validation": trained.probabilities["validation"], "test": answers.probabilities}
    extractor = features.extractor
    return {
        **{split: evaluate(values, features.labels(split), features.classes) for split, values in by_split.items()},
        "best_epoch": trained.best_epoch,
        "parameters": joined.require_frozen(classifier, trained.model),
        "weights_digest": extractor.pretrained.weights_digest if isinstance(extractor, BackboneExtractor) else None,
        "agreement": verified.differences,
        "calibration": calibrated(answers.probabilities, trained.temperature, features.labels("test")),
        "skipped": manifests.reason_counts(features.dataset.table),
        "images": {split: len(features.rows(split)) for split in manifests.SPLITS},
    }


def write_tables(
    draft: Draft, trained: Trained, truncation: Truncation | None, findings: Findings, verified: Verified, ood: OODReference
) -> None:
    """Write all tables of the run, and its findings, configuration and environment."""
    features = trained.features
    extractor, config = features.extractor, decided(features.config, features.extractor, truncation)
    draft.write_text(CONFIG, config.to_yaml())
    manifests.write(features.dataset.table, draft.path / MANIFEST)
    draft.write_table(HISTORY, trained.history)
    probabilities = {"validation": trained.probabilities["validation"], "test": verified.answers.probabilities}
    scores = np.concatenate([ood.validation, verified.answers.ood_score])
    draft.write_table(PREDICTIONS, predictions_table(features, probabilities, scores))
    findings.write(draft.path / FINDINGS)
    if truncation and truncation.table is not None:
        draft.write_table(CUT_POINTS, truncation.table)
    measured = extractor.measured if isinstance(extractor, BackboneExtractor) else None
    draft.write_json(ENVIRONMENT, environment.describe(extractor.precision, measured))


def predictions_table(features: FeatureDataset, probabilities: Mapping[str, np.ndarray], ood_scores: np.ndarray) -> pd.DataFrame:
    """Return one row per validation or test image: path, split, label, predicted, ood_score, one column per class."""
    rows = pd.concat([features.rows(split) for split in probabilities])
    values = np.concatenate(list(probabilities.values()))
    facts: dict[str, Any] = {name: rows[name].to_numpy() for name in ("path", "split", "label")}
    facts["predicted"] = [features.classes[number] for number in values.argmax(1)]
    table = pd.DataFrame(facts, dtype=object).assign(ood_score=ood_scores)
    return predictions.table(table, values, features.classes)
