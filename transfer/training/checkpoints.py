"""Checkpoints: interrupted training resumes and gives a bit-identical result.

A checkpoint holds everything that the next epoch depends on: all variables of the model (weights and dropout states) and of
the optimizer, the state of early stopping, and the history so far. The order of an epoch depends on its number
(`batches.py`), so nothing else is needed. Plain NumPy arrays and JSON, never pickle; a damaged file counts as missing.
"""

import functools
import hashlib
import json
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.system.home import cache_home
from transfer.system.sealed import read_arrays, write_arrays

_KEPT_DAYS = 30


def path_of(identity: str, output: str, folder: Path | None = None) -> Path:
    """Return the checkpoint file of one stage: training on one output, with this result identity; no folder: that of all processes."""
    name = f"{identity}-{hashlib.sha256(output.encode()).hexdigest()[:8]}.npz"
    return (cache_home() / "checkpoints" if folder is None else folder) / name


def own_folder() -> Path:
    """Return a folder of this process alone, which ends with it: for a worker, whose lost trainings begin anew elsewhere."""
    return Path(_temporary().name)


@functools.cache
def _temporary() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="transfer-checkpoints-", ignore_cleanup_errors=True)


class Stopping(keras.callbacks.EarlyStopping):
    """Early stopping on a validation loss that keeps the best weights and can resume from a checkpoint.

    Args:
        patience: epochs without a lower loss before training stops.
        monitor: column of the history.
        tolerance: of the epochs whose loss is within this fraction of the lowest one, the latest is kept.
    """

    best_epoch: int

    def __init__(self, patience: int, monitor: str = "val_loss", tolerance: float = 0.0) -> None:
        super().__init__(monitor, patience=patience, mode="min", restore_best_weights=True)
        self._tolerance = tolerance
        self._before: dict[str, Any] = {}
        self.best_epoch: int = 0

    def resume(self, before: dict[str, Any]) -> None:
        """Start the next training with what an earlier process remembered."""
        self._before = before

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        super().on_train_begin(logs)
        for name, value in self._before.items():
            setattr(self, name, value)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        value = self.get_monitor_value(logs)
        if self.best_epoch != epoch and value is not None and value <= (1 + self._tolerance) * self.best and self._tolerance:
            self.best_epoch, self.best_weights = epoch, self.model.get_weights()

    def kept(self, losses: np.ndarray) -> int:
        """Return the position of the epoch that is kept, given the losses of all epochs."""
        near = np.flatnonzero(losses <= (1 + self._tolerance) * losses.min())
        return int(near[-1] if self._tolerance else near[0])


class Checkpoint(keras.callbacks.Callback):
    """Writes a checkpoint at the end of an epoch if at least `seconds` have passed since the last one.

    Attributes:
        finished: whether the restored training was complete; the model then has its final weights.
    """

    def __init__(self, path: Path, model: keras.Model, stopping: Stopping, rows: list[dict[str, Any]], seconds: float) -> None:
        super().__init__()
        self.path, self.seconds = path, seconds
        self.finished = False
        self._network, self._stopping, self._rows = model, stopping, rows
        self._saved = time.monotonic()

    def restore(self) -> int:
        """Resume interrupted training: restore the variables, the history and the state of early stopping.

        Returns:
            The number of completed epochs; 0 if there is no checkpoint, it is damaged, does not fit the model, or is not finite.
        """
        self._network.optimizer.build(self._network.trainable_variables)
        stored = read_arrays(self.path)
        if stored is None:
            return 0
        facts = json.loads(str(stored["facts"]))
        variables = [stored[f"variable_{number}"] for number in range(facts["variables"])]
        best = [stored[f"best_{number}"] for number in range(facts["best_weights"])]
        own = self._variables()
        if [tuple(variable.shape) for variable in own] != [value.shape for value in variables]:
            return 0
        if not all(np.isfinite(value).all() for value in (*variables, *best)):
            return 0
        for variable, value in zip(own, variables, strict=True):
            variable.assign(value)
        self._rows.extend(facts["rows"])
        self._stopping.resume(facts["stopping"] | {"best_weights": best or None})
        self.finished = facts["finished"]
        return len(self._rows)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if time.monotonic() - self._saved >= self.seconds:
            self.save(finished=False)

    def save(self, finished: bool) -> None:
        """Write the checkpoint atomically, and delete abandoned ones."""
        best = self._stopping.best_weights or []
        facts = {
            "rows": self._rows,
            "stopping": {name: getattr(self._stopping, name) for name in ("wait", "best", "best_epoch")},
            "variables": len(self._variables()),
            "best_weights": len(best),
            "finished": finished,
        }
        arrays: dict[str, Any] = {f"variable_{i}": np.asarray(value) for i, value in enumerate(self._variables())}
        arrays |= {f"best_{i}": np.asarray(value) for i, value in enumerate(best)}
        write_arrays(self.path, {"facts": np.array(json.dumps(facts, default=float))} | arrays)
        self._saved = time.monotonic()
        for other in self.path.parent.glob("*.npz"):
            with suppress(FileNotFoundError):  # another process has just done with it
                if time.time() - other.stat().st_mtime > _KEPT_DAYS * 86400:
                    other.unlink()

    def _variables(self) -> list[keras.Variable]:
        return [*self._network.variables, *self._network.optimizer.variables]
