"""Train a head on the stored features of a frozen, truncated backbone."""

import time
from collections.abc import Sequence

import keras
import numpy as np
import pandas as pd
from scipy.special import log_softmax

from transfer.config import Config
from transfer.data.groups import units
from transfer.errors import ConfigError
from transfer.features.extractor import BackboneExtractor, FeatureExtractor
from transfer.features.space import size
from transfer.models import heads, whole
from transfer.models.own import head as own_heads
from transfer.models.own.parts import Parts
from transfer.models.pretrained import head_specs
from transfer.system.progress import Progress
from transfer.training import linear_head
from transfer.training.feature_dataset import FeatureDataset, Outputs
from transfer.training.fitting import HISTORY, Stage, fit
from transfer.training.trained import Trained


def train(features: FeatureDataset, outputs: Outputs, progress: Progress) -> Trained:
    """Train the head on outputs of the feature extractor.

    Args:
        features: stored rows.
        outputs: names of the outputs, each `cut:pooling`, in the order of `pretrained.head_specs`.
        progress: reports each epoch.

    Raises:
        ConfigError: if a linear head would need more memory than the configuration allows.
    """
    config, widths = features.config, [features.extractor.width(output) for output in outputs]
    train_batches = features.batches(outputs, (sum(widths),), config.training.batch_size)
    mean, variance = train_batches.rows.moments() if config.head.standardize else (None, None)
    make, width, classes = own_head(config, features.parts), sum(widths), len(features.classes)
    own = make(width, classes, config.seed) if make else None
    head = heads.build(width, classes, config.head, config.seed, mean, variance, widths, own)
    if config.head.kind == "linear":
        return _linear(features, outputs, head, progress)
    stage = Stage("head", config.training, config.training, features.checkpoint(outputs), parts=features.parts)
    fitted = fit(head, train_batches, features.evaluation_batches("validation", outputs, (sum(widths),)), stage, progress)
    return Trained.evaluated(head, fitted.history, fitted.best_epoch, features, outputs, (stage.checkpoint,))


def own_head(config: Config, parts: Parts) -> whole.OwnHead | None:
    """Return what builds the user's head; None if the settings describe it."""
    if config.head.kind != "own":
        return None
    return (own_heads.from_cache(parts.head) if isinstance(parts.head, str) else parts.head).build


def require_fit(classes: Sequence[str], extractor: FeatureExtractor, config: Config, parts: Parts) -> None:
    """Check that the user's head fits the features, before they are extracted; with `truncate_at: auto` it turns out later.

    Raises:
        ConfigError: if it does not.
    """
    make = own_head(config, parts)
    if make and config.truncate_at != "auto" and isinstance(extractor, BackboneExtractor):
        cuts = [cut.name for cut in extractor.pretrained.backbone.cuts_of(config.truncate_at)]
        specs = head_specs(cuts, config.head.pooling)
        make(sum(extractor.pretrained.width(spec) for spec in specs), len(classes), config.seed)


def _linear(features: FeatureDataset, outputs: Outputs, head: keras.Model, progress: Progress) -> Trained:
    """Fit the one dense layer of a linear head; its history is a single row."""
    config, started = features.config, time.perf_counter()
    batches = features.batches(outputs, head.input_shape[1:], config.training.batch_size)
    if not batches.rows.fits:
        needed = len(batches.rows) * batches.rows.width * batches.rows.dtype.itemsize
        raise ConfigError(
            f"head.kind: a linear head is fitted on all features at once, here {size(needed)}. Expected at most features.memory_mb="
            f"{config.features.memory_mb}: raise it, or use head.kind=dense."
        )
    rows, labels = _scaled(head, batches.rows.everything()), batches.labels
    names = list(units(features.rows("train")))
    groups = names * (len(labels) // len(names))  # the views of an image follow it in whole blocks
    progress.say("Fitting the linear head")
    fitted = linear_head.fit(
        rows, labels, batches.classes, config.head.inverse_penalty or "auto", batches.weights, groups, config.auto.folds, config.seed
    )
    progress.say(_told(fitted))
    head.get_layer("logits").set_weights([fitted.kernel, fitted.bias])
    validation, truth = features.stored("validation", outputs)
    values: dict[str, float] = {}
    for prefix, table, classes in (("", rows, labels), ("val_", _scaled(head, validation.everything()), truth)):
        logits = table @ fitted.kernel + fitted.bias
        right = logits.argmax(1) == classes
        values[f"{prefix}loss"] = float(-log_softmax(logits, axis=1)[np.arange(len(classes)), classes].mean()) if len(classes) else 0.0
        values[f"{prefix}accuracy"] = float(right.mean()) if len(classes) else 0.0
    row = {"stage": "head", "epoch": 1, "learning_rate": 0.0, "seconds": time.perf_counter() - started} | values
    trained = Trained.evaluated(head, pd.DataFrame([row], columns=HISTORY), 1, features, outputs, ())
    return trained.with_decided(head__inverse_penalty=fitted.inverse_penalty)


def _scaled(head: keras.Model, rows: np.ndarray) -> np.ndarray:
    """Return features as the dense layer of a head gets them, float32 [n, width]."""
    standard = next((layer for layer in head.layers if layer.name == "standardize"), None)
    return np.asarray(standard(rows), np.float32) if standard else rows


def _told(fitted: linear_head.LinearHead) -> str:
    if fitted.table is None:
        return f"The linear head has an inverse penalty of {fitted.inverse_penalty:.3g}"
    best = fitted.table[fitted.table["chosen"]].iloc[0]
    return (
        f"The linear head has an inverse penalty of {fitted.inverse_penalty:.3g}, the best of {len(fitted.table)} by cross-validation: "
        f"accuracy {best['accuracy']:.3f}, log loss {best['log_loss']:.3f}"
    )
