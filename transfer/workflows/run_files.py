"""What a run keeps beside its models: metrics, tables, configuration, environment and report, written into its draft."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from transfer import runs
from transfer.data import dataset as manifests
from transfer.data.storage import Root
from transfer.drafts import Draft
from transfer.evaluation import predictions
from transfer.evaluation.metrics import calibrated, evaluate
from transfer.exporters import saved_model
from transfer.exporters.served import Served
from transfer.exporters.verify import Verified
from transfer.features.extractor import BackboneExtractor
from transfer.models import joined
from transfer.quality.findings import Findings
from transfer.system import environment
from transfer.system.progress import Clock
from transfer.training.cross_validation import CrossValidated
from transfer.training.stages import decided
from transfer.training.trained import Trained
from transfer.training.truncation import Truncation
from transfer.workflows import card, report


def run_metrics(trained: Trained, classifier: keras.Model, verified: Verified, probabilities: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the content of `metrics.json`, except for energy, timing and OOD figures."""
    features, extractor = trained.features, trained.features.extractor
    return {
        **{split: evaluate(values, features.labels(split), features.classes) for split, values in probabilities.items()},
        "best_epoch": trained.best_epoch,
        "parameters": joined.require_frozen(classifier, trained.model),
        "weights_digest": extractor.pretrained.weights_digest if isinstance(extractor, BackboneExtractor) else None,
        "agreement": {"images": len(verified.answers.ood_score), **verified.differences},
        "calibration": calibrated(probabilities["test"], trained.temperature, features.labels("test")),
        "skipped": manifests.reason_counts(features.dataset.table),
        "images": {split: len(features.rows(split)) for split in manifests.SPLITS},
    }


def write_records(
    draft: Draft,
    trained: Trained,
    truncation: Truncation | None,
    findings: Findings,
    probabilities: Mapping[str, np.ndarray],
    ood_scores: Sequence[np.ndarray],
    validated: CrossValidated | None,
) -> None:
    """Write the configuration and environment of the run, and its tables of files, epochs, predictions and findings."""
    features, extractor = trained.features, trained.features.extractor
    draft.write_text(runs.CONFIG, decided(trained, truncation).to_yaml())
    manifests.write(features.dataset.table, draft.path / runs.MANIFEST)
    draft.write_table(runs.HISTORY, trained.history)
    rows, values = pd.concat([features.rows(split) for split in probabilities]), np.concatenate(list(probabilities.values()))
    draft.write_table(
        runs.PREDICTIONS, predictions.of_images(rows, values, features.classes, after={"ood_score": np.concatenate(ood_scores)})
    )
    if validated:
        draft.write_table(runs.OOF_PREDICTIONS, validated.table(features.dataset, probabilities["test"]))
    findings.write(draft.path / runs.FINDINGS)
    if truncation and truncation.table is not None:
        draft.write_table(runs.CUT_POINTS, truncation.table)
    measured = extractor.measured if isinstance(extractor, BackboneExtractor) else None
    draft.write_json(runs.ENVIRONMENT, environment.describe(extractor.engine, extractor.precision, measured))


def write_report(draft: Draft, name: str, metrics: Mapping[str, Any], root: Root, served: Served, clock: Clock) -> None:
    """Write the metrics, the report, and the model card beside the export, of a run that will have this name."""
    draft.write_json(runs.METRICS, {**metrics, "timing": clock.rounded()})  # the page reads it
    with clock("report"):
        report.write(draft, root, served)
    draft.write_json(runs.METRICS, {**metrics, "timing": clock.rounded()})  # with the time of the page
    saved_model.add_card(draft.export, card.rendered(draft, name))
