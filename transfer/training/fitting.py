"""Fit a network on stored rows: Adam, early stopping on a validation loss, best weights restored."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from transfer.config import OptimizerConfig, TrainingConfig
from transfer.errors import TransferError
from transfer.models.own.parts import NONE, Parts
from transfer.system import devices
from transfer.system.progress import Progress, tell_epoch
from transfer.training import optimizers
from transfer.training.batches import Batches
from transfer.training.checkpoints import Checkpoint, Stopping
from transfer.training.own_callbacks import callbacks_of, metrics_of, one_number
from transfer.training.replicated import Replicated
from transfer.training.scaled_loss import ScaledLoss

_VALUES_AT_ONCE = 2**21
"""Largest number of input values of a head that one call processes: Ctrl-C does not interrupt a call."""

FINE_TUNING = "fine-tuning"
"""Name of the second stage."""

_TITLES = {FINE_TUNING: "Fine-tuning"}
_SECTIONS = {FINE_TUNING: "fine_tuning"}

HISTORY = ["stage", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]
SCALED = "val_scaled_loss"
"""Column of the history of stages whose epochs are judged by the loss after temperature scaling."""


Watch = Callable[[Sequence[float]], bool]
"""Validation accuracy of each epoch so far -> whether to go on. It depends on nothing else, so that training can resume."""


class HopelessError(Exception):
    """Training ended before its time, as the one who watched it wished; the network is of no use.

    Attributes:
        accuracies: validation accuracy of each epoch so far.
    """

    def __init__(self, accuracies: Sequence[float]) -> None:
        super().__init__(f"stopped after {len(accuracies)} epochs")
        self.accuracies = tuple(accuracies)


@dataclass(frozen=True)
class Fitted:
    """Result of fitting: one row per epoch (columns `HISTORY`), and the epoch whose weights were kept (from 1)."""

    history: pd.DataFrame
    best_epoch: int


@dataclass(frozen=True)
class Stage:
    """How one stage of training is fitted.

    Attributes:
        name: its name in the history and in progress messages.
        settings: epochs, learning rate, patience.
        shared: settings common to all stages: label smoothing, time between checkpoints.
        checkpoint: file from which an interrupted stage resumes; the caller deletes it when it is no longer needed.
        factors: factor of the learning rate for each trained variable; none: 1.
        precision: precision of the computation.
        keep: loss by which epochs are judged: `loss` (with penalties), or `scaled_loss` (`scaled_loss.py`).
        tolerance: of the epochs whose loss is within this fraction of the lowest one, the latest is kept.
        watch: decides after each epoch whether training goes on; none: it always does.
        parts: callbacks and metrics of the user.
    """

    name: str
    settings: OptimizerConfig
    shared: TrainingConfig
    checkpoint: Path
    factors: Sequence[float] | None = None
    precision: str = "float32"
    keep: str = "loss"
    tolerance: float = 0.0
    watch: Watch | None = None
    parts: Parts = NONE


def fit(model: keras.Model, train: Batches, validation: Batches, stage: Stage, progress: Progress) -> Fitted:
    """Train a model (rows -> logits) in place; it ends with the weights of the epoch that is kept; see `Stage.keep`.

    Args:
        model: changed in place.
        train, validation: batches; training batches are shuffled in each epoch.
        stage: how it is fitted.
        progress: reports each epoch.

    Raises:
        TransferError: if training diverges: the loss is NaN or infinite.
        HopelessError: if `stage.watch` ended it; its checkpoint is deleted.
    """
    settings = stage.settings
    own_callbacks, own_metrics = callbacks_of(stage.parts.callbacks, stage.name), metrics_of(stage.parts.metrics)
    rate = optimizers.schedule(settings, len(train))
    strategy = devices.strategy(stage.shared.devices)
    replicas = strategy.num_replicas_in_sync
    trained = Replicated(model, strategy) if replicas > 1 else model
    with strategy.scope():
        optimizer = optimizers.build(settings, rate, stage.factors, stage.precision, replicas)
        # TensorFlow cannot loop over a distributed batch
        _compile(trained, optimizer, stage, own_metrics, train.classes, _steps_at_once(train) if replicas == 1 else 1)
    rows: list[dict[str, Any]] = []
    # Without a patience, training never stops early; the callback still keeps the best weights.
    stopping = Stopping(settings.patience or settings.epochs + 1, f"val_{stage.keep}", stage.tolerance)
    saver = Checkpoint(stage.checkpoint, trained, stopping, rows, stage.shared.checkpoint_seconds)
    with strategy.scope():
        done = saver.restore()
    if not done and stage.checkpoint.exists():
        progress.say("The checkpoint of an earlier training is damaged or does not fit: training starts from the first epoch.")
    with progress.step(_TITLES.get(stage.name, f"Training the {stage.name}"), settings.epochs, "epochs") as advance:
        recorder = _Recorder(rows, stage.name, rate, advance, progress, [metric.name for metric in own_metrics])
        advance(done)
        for row in rows:  # of the training that is resumed
            tell_epoch(progress, row)
        # The watcher comes before the saver: training that ended so is never resumed.
        callbacks = [stopping, keras.callbacks.TerminateOnNaN(), recorder, *own_callbacks, _Watcher(rows, stage), saver]
        if not saver.finished:
            trained.fit(
                train.dataset(epochs=None, first=done), steps_per_epoch=len(train), initial_epoch=done, epochs=settings.epochs,
                validation_data=validation.dataset(), callbacks=callbacks, verbose=0, shuffle=False,
            )  # fmt: skip
    if isinstance(trained, Replicated):
        trained.copy_to(model)
    columns = [*HISTORY, *([] if stage.keep == "loss" else [SCALED]), *recorder.own]
    history = pd.DataFrame(rows, columns=columns)
    if history.empty or not np.isfinite(history[["loss", "val_loss"]].to_numpy(dtype=float)).all():
        raise TransferError(
            "Training diverged: the loss is not finite. Try a lower learning rate. "
            f"Received {_SECTIONS.get(stage.name, 'training')}.learning_rate={settings.learning_rate:g}."
        )
    if not saver.finished:
        saver.save(finished=True)
    # Only the network is saved: not the optimizer's moments, twice its size, nor a class that exists only in this package.
    model.compiled, model.optimizer = False, None
    return Fitted(history, stopping.kept(history[stopping.monitor].to_numpy(float)) + 1)


def _compile(
    model: keras.Model, optimizer: Any, stage: Stage, own: Sequence[keras.metrics.Metric], classes: int, steps_at_once: int
) -> None:
    metrics: list[keras.metrics.Metric] = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    if stage.keep == "scaled_loss":
        metrics.append(ScaledLoss(classes))
    metrics += own
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=stage.shared.label_smoothing),
        weighted_metrics=metrics,
        jit_compile=False,
        steps_per_execution=steps_at_once,
    )


def _steps_at_once(train: Batches) -> int:
    """Return the number of steps per call, a divisor of the steps per epoch: a small step takes less time than a call."""
    most = min(len(train), max(1, _VALUES_AT_ONCE // (train.batch_size * math.prod(train.shape))))
    return max(steps for steps in range(1, most + 1) if len(train) % steps == 0) if len(train.shape) == 1 else 1


class _Recorder(keras.callbacks.Callback):
    """Records one row of history per epoch and advances the progress bar."""

    def __init__(
        self,
        rows: list[dict[str, Any]],
        stage: str,
        schedule: Any,
        advance: Callable[[int], None],
        progress: Progress,
        metrics: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.own = [prefix + name for name in metrics for prefix in ("", "val_")]
        self.rows, self.stage, self.schedule, self.advance, self.progress = rows, stage, schedule, advance, progress
        self.started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        rate = float(keras.ops.convert_to_numpy(self.schedule(self.model.optimizer.iterations)))
        self.rows.append(
            {"stage": self.stage, "epoch": epoch + 1, "learning_rate": rate, "seconds": time.perf_counter() - self.started}
            | {name: logs[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy", SCALED) if name in logs}
            | {name: one_number(name, logs[name]) for name in self.own if name in logs}
        )
        tell_epoch(self.progress, self.rows[-1])
        self.advance(1)


class _Watcher(keras.callbacks.Callback):
    """Ends training that is hopeless."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], stage: Stage) -> None:
        super().__init__()
        self.rows, self.stage = rows, stage

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        accuracies = [float(row["val_accuracy"]) for row in self.rows]
        if self.stage.watch is not None and not self.stage.watch(accuracies):
            self.stage.checkpoint.unlink(missing_ok=True)
            raise HopelessError(accuracies)
