"""The work of feature extraction: tasks -> features, in this process or wherever an engine runs it. Nothing is stored here."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from transfer.data import pipeline
from transfer.data.pipeline import ImageSpec
from transfer.data.storage import Root
from transfer.features.tasks import Task, Tasks

_CHANGED = "changed while it was read"


@dataclass(frozen=True)
class Computed:
    """What was computed of some tasks.

    Attributes:
        arrays: for each output [b, width]; none if every task failed.
        failures: number of a task among them -> why its row is not to be used.
    """

    arrays: Sequence[np.ndarray]
    failures: dict[int, str]


@dataclass(frozen=True)
class ImageWork:
    """Makes the worker that reads, decodes and computes; see `compute_missing` for the attributes."""

    root: Root
    image_spec: ImageSpec
    compute: Callable[[tf.Tensor], list[np.ndarray]]
    batch_size: int

    def __call__(self) -> Callable[[Tasks], Iterator[tuple[np.ndarray, Computed]]]:
        return self._computed

    def _computed(self, tasks: Tasks) -> Iterator[tuple[np.ndarray, Computed]]:
        """Yield each batch, then the tasks whose files cannot be read or decoded."""
        tasks.restore()
        augmentation = tasks.views.augmentation
        seen = np.zeros(len(tasks), bool)
        for tensor, images in pipeline.batches(
            tasks.files, self.image_spec, self.batch_size, tasks.seeds if augmentation else None, augmentation
        ):
            positions = tensor.numpy()
            arrays = self.compute(images)
            changed = {number: _CHANGED for number, task in enumerate(tasks.at(positions)) if not _unchanged(task)}
            seen[positions] = True
            yield positions, Computed(arrays, changed)
        lacking = np.flatnonzero(~seen)
        if len(lacking):
            yield lacking, Computed([], {number: self._explained(task) for number, task in enumerate(tasks.at(lacking))})

    def _explained(self, task: Task) -> str:
        """Return why a file that is in no batch cannot be used; a damaged one may not be the one that was hashed."""
        if not _unchanged(task):
            return _CHANGED
        return pipeline.why_undecodable(task.file, self.image_spec) or "could not be decoded"


def _unchanged(task: Task) -> bool:
    """Return whether the file is unchanged since it was hashed: otherwise its features would be stored under the wrong digest.

    The time of its content can be set, and is, by programs that copy; the one that is looked at cannot. It also tells of a new name or
    new permissions: such a file is hashed again, and so is each where another machine has other times of it.
    """
    if task.status is None:
        return True
    try:
        now = os.stat(task.file)
        return (now.st_size, now.st_ctime_ns) == task.status or (now.st_size == task.status[0] and _digest(task.file) == task.digest)
    except OSError:
        return True  # it was deleted after it was read


def _digest(file: bytes) -> str:
    with open(file, "rb") as opened:  # noqa: PTH123  (a path of any bytes)
        return hashlib.file_digest(opened, "sha256").hexdigest()
