"""Fit a network on stored rows: Adam with cosine decay, early stopping on the validation loss, best weights kept."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from transfer.config import TrainingConfig
from transfer.errors import TransferError
from transfer.progress import Progress
from transfer.training.batches import Batches
from transfer.training.checkpoints import Checkpoint, Stopping

HISTORY = ["stage", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"]


@dataclass(frozen=True)
class Fitted:
    """What training did: one row for each epoch (columns `HISTORY`), and the epoch whose weights were kept (from 1)."""

    history: pd.DataFrame
    best_epoch: int


def fit(
    model: keras.Model,
    train: Batches,
    validation: Batches,
    config: TrainingConfig,
    progress: Progress,
    checkpoint: Path,
    stage: str = "head",
) -> Fitted:
    """Train a model from rows to logits, in place; its weights are those of the epoch with the least validation loss.

    Args:
        model: changed in place.
        train, validation: batches; those to train on are shuffled by epoch.
        config: epochs, rate, patience.
        progress: told of each epoch.
        checkpoint: file from which an interrupted training goes on; the caller deletes it when it is no longer needed.
        stage: what the history calls it.

    Raises:
        TransferError: where the loss is no longer a number.
    """
    steps = len(train) * config.epochs
    schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
        weighted_metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=False,
    )
    rows: list[dict[str, Any]] = []
    # With no patience given, it can never run out; the callback still keeps the best weights.
    stopping = Stopping(config.patience or config.epochs + 1)
    saver = Checkpoint(checkpoint, model, stopping, rows, config.checkpoint_seconds)
    done = saver.restore()
    with progress.step(f"Training the {stage}", config.epochs, "epochs") as advance:
        recorder = _Recorder(rows, stage, schedule, advance)
        advance(done)
        callbacks = [stopping, keras.callbacks.TerminateOnNaN(), recorder, saver]
        if not saver.finished:
            model.fit(
                train.dataset(epochs=None, first=done), steps_per_epoch=len(train), initial_epoch=done, epochs=config.epochs,
                validation_data=validation.dataset(), callbacks=callbacks, verbose=0, shuffle=False,
            )  # fmt: skip
    history = pd.DataFrame(rows, columns=HISTORY)
    if history.empty or not np.isfinite(history[["loss", "val_loss"]].to_numpy(dtype=float)).all():
        raise TransferError(
            "Training diverged: the loss is no longer a number. Try a smaller rate. "
            f"Received training.learning_rate={config.learning_rate:g}."
        )
    if not saver.finished:
        saver.save(finished=True)
    best = int(history["val_loss"].to_numpy().argmin())
    return Fitted(history, best + 1)


class _Recorder(keras.callbacks.Callback):
    """Writes one row of history an epoch and moves the progress bar."""

    def __init__(self, rows: list[dict[str, Any]], stage: str, schedule: Any, advance: Callable[[int], None]) -> None:
        super().__init__()
        self.rows, self.stage, self.schedule, self.advance = rows, stage, schedule, advance
        self.started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        rate = float(keras.ops.convert_to_numpy(self.schedule(self.model.optimizer.iterations)))
        self.rows.append(
            {"stage": self.stage, "epoch": epoch + 1, "learning_rate": rate, "seconds": time.perf_counter() - self.started}
            | {name: logs[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy") if name in logs}
        )
        self.advance(1)
