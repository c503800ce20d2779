"""A finished run that was never trained: its classifier says which colour channel of an image is the strongest."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from PIL import Image

from transfer.config import Config
from transfer.data import dataset as manifests
from transfer.drafts import Draft
from transfer.evaluation import predictions
from transfer.evaluation.metrics import evaluate
from transfer.evaluation.ood import Reference
from transfer.runs import CONFIG, ENVIRONMENT, HISTORY, MANIFEST, METRICS, OOD_REFERENCE, PREDICTIONS, Run

if TYPE_CHECKING:
    import keras

SIZE = 16
COLOURS = ("red", "green", "blue")
"""Class names in the order of the channels."""

AGREEMENT = {"images": 3, "stored": 1e-6, "keras": 2e-6, "batch_1": 0.0, "ood_score": 1e-6}


NEW_CLASSES = {
    "images": 40,
    "classes": 2,
    "auroc": 0.75,
    "flagged": 0.2,
    "at_most": False,
    "per_class": {"a": {"images": 30, "auroc": 0.7, "flagged": 0.1}, "<b>": {"images": 10, "auroc": 0.9, "flagged": 0.5}},
}
"""Figures of classes taken for new ones."""


def write_run(folder: Path, classes: Sequence[str] = COLOURS, export: bool = False, **settings: object) -> Run:
    """Write the files of a run; with `export`, a working SavedModel and Keras file as well (at most three classes)."""
    folder.mkdir(parents=True)
    draft = Draft(folder)
    manifest, probabilities = _manifest(classes), np.eye(len(classes), dtype=np.float32)[:, ::-1]
    metrics = {split: evaluate(probabilities, np.arange(len(classes)), list(classes)) for split in ("validation", "test")}
    draft.write_text(CONFIG, Config(backbone="lenet", image_size=SIZE).updated(**settings).to_yaml())
    manifests.write(manifest, folder / MANIFEST)
    draft.write_table(HISTORY, _history())
    draft.write_table(PREDICTIONS, _predictions(manifest, probabilities, classes))
    draft.write_json(ENVIRONMENT, {"python": "3.12", "packages": {"tensorflow": "2"}})
    draft.write_json(METRICS, {**metrics, **_facts(manifest)})
    if export:
        write_models(folder, classes)
    else:
        (folder / "model.keras").touch()
        (folder / "export" / "1").mkdir(parents=True)
        (folder / "export" / "1" / "saved_model.pb").touch()
    return Run(folder)


def folds(averaged: bool = False) -> dict[str, object]:
    """Return the section `cross_validation` of metrics."""
    figure = {"mean": 0.75, "std": 0.02, "ci95": [0.6, 0.9]}
    return {
        "folds": 2,
        "images": 1200,
        "per_fold": [{"fold": fold, "images": 600, "accuracy": 0.75, "log_loss": 0.8, "macro_f1": 0.7} for fold in (1, 2)],
        **dict.fromkeys(("accuracy", "log_loss", "macro_f1"), figure),
        "pooled": {"accuracy": 0.76, "accuracy_ci95": [0.7, 0.81], "log_loss": 0.8, "macro_f1": 0.7},
        "averaged": averaged,
    }


def write_models(folder: Path, classes: Sequence[str]) -> None:
    """Write `model.keras` and `export/1` of the classifier by colour."""
    from transfer.data.pipeline import ImageSpec
    from transfer.exporters import saved_model

    model = classifier()
    model.save(folder / "model.keras")
    saved_model.write(model, list(classes), ImageSpec(SIZE), reference(), folder / "export" / "1")
    reference().write(folder / OOD_REFERENCE)


def reference(width: int = len(COLOURS)) -> Reference:
    """Return three training images, one of each colour: white, grey and black ones are like none of them."""
    thumbnails = [_jpeg(colour) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200))]
    return Reference(np.eye(3, width, dtype=np.float32), [f"{name}/train.png" for name in COLOURS], list(COLOURS), 1, 0.25, thumbnails)


def _jpeg(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def classifier(sharpness: float = 1 / 16) -> "keras.Model":
    """Return a model from RGB in 0..255, float32 [n, SIZE, SIZE, 3], to a softmax over the mean of each channel."""
    import keras

    images = keras.Input((SIZE, SIZE, 3), name="images")
    means = keras.layers.GlobalAveragePooling2D()(images)
    return keras.Model(images, keras.layers.Softmax()(keras.layers.Rescaling(sharpness)(means)))


def _manifest(classes: Sequence[str]) -> pd.DataFrame:
    rows = [
        (f"{label}/{split}.png", label, split, "", "used", "", "", "", "0" * 64, 9, "PNG", 8, 8, 0)
        for split in ("validation", "test")
        for label in classes
    ]
    rows.append((f"{classes[0]}/broken.png", classes[0], "", "", "skipped", "damaged: truncated", "", "", "1" * 64, 9, "PNG", 8, 8, 0))
    rows.append((f"{classes[0]}/notes <i>.txt", classes[0], "", "", "skipped", "not an image: text", "", "", "2" * 64, 9, "", 0, 0, 0))
    return pd.DataFrame(rows, columns=manifests.COLUMNS, dtype=object)


def _history() -> pd.DataFrame:
    figures = {"loss": [2.0, 1.0], "accuracy": [0.2, 0.9], "val_loss": [2.1, 1.2], "val_accuracy": [0.1, 0.8]}
    return pd.DataFrame({"stage": "head", "epoch": [1, 2], **figures, "learning_rate": [1e-3, 0.0], "seconds": [0.1, 0.1]})


def _predictions(manifest: pd.DataFrame, probabilities: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    rows = manifests.used(manifest)
    facts = {name: rows[name].to_numpy() for name in ("path", "split", "label")} | {"predicted": [*reversed(classes)] * 2}
    table = pd.DataFrame(facts, dtype=object).assign(ood_score=0.5)
    return predictions.table(table, np.concatenate([probabilities] * 2), list(classes))


def _facts(manifest: pd.DataFrame) -> dict[str, object]:
    return {
        "best_epoch": 2,
        "parameters": {"trained": 1000, "total": 4000, "share": 0.25},
        "agreement": AGREEMENT,
        "calibration": {"temperature": 1.5, "ece_before": 0.2, "ece_after": 0.1, "log_loss_before": 2.0, "log_loss_after": 1.0},
        "ood": {
            "threshold": 0.25,
            "images": 3,
            "neighbours": 1,
            "test_flagged": 0.125,
            "others": {"handwritten digits": {"images": 30, "auroc": 0.99, "flagged": 0.9}},
            "new_classes": NEW_CLASSES,
        },
        "energy": {"wh": 1.25, "source": "estimate"},
        "skipped": manifests.reason_counts(manifest),
        "images": {"train": 0, "validation": 3, "test": 3},
        "timing": {"scan": 0.5, "total": 61.25},
    }
