"""Which views of which images are to be computed: those whose records the store lacks, or has damaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from transfer.config import AugmentConfig, Config
from transfer.data import pipeline
from transfer.data.augment import settings_tag, view_seed
from transfer.data.storage import Root, is_remote
from transfer.features.keys import by_image
from transfer.features.store import Store
from transfer.system.progress import Progress
from transfer.system.sequences import Made

PLAIN = "0"
"""Tag of view 0, the plain image."""

_FACTS = ("path", "digest", "status", "value_range", "size", "ctime_ns")


@dataclass(frozen=True)
class Views:
    """Which views of each image: the plain one, or augmented ones (numbered from 1) with their settings and seed."""

    count: int = 0
    augmentation: AugmentConfig | None = None
    seed: int = 0

    def tags(self) -> list[str]:
        """Return the names of the views in the store."""
        if self.augmentation is None:
            return [PLAIN]
        return [f"{view}:{settings_tag(self.augmentation, self.seed)}" for view in range(1, self.count + 1)]


ONLY_PLAIN = Views()
"""Only the plain images."""


@dataclass(frozen=True)
class Task:
    """One view of an image to compute.

    Attributes:
        status: size and ctime_ns of its file when it was hashed; None: its file is a PNG in the cache, or an object, whose content is
            compared with its digest when it is read.
    """

    index: int
    digest: str
    tag: str
    file: bytes
    status: tuple[int, int] | None


class Tasks:
    """Views of images to compute, by image and by view; column by column, as a million are common. A slice of them is again `Tasks`,
    and can be sent to another machine.

    Args:
        first: rows of distinct images, of a dataset's table.
        root: folder that their paths are relative to.
        image, view: int [n]: position in `first` and number of the view of each task.
        views: which views.
    """

    def __init__(self, first: pd.DataFrame, root: Root, image: np.ndarray, view: np.ndarray, views: Views) -> None:
        self._first, self._root, self._image, self._view, self.views = first, root, image, view, views
        self._index, self._digests, self._tags = first.index, first["digest"].to_numpy(object), views.tags()
        self._status = first[["size", "ctime_ns"]].to_numpy(np.int64)
        self._in_cache = (first["status"] == "transcoded").to_numpy() | is_remote(root)

    @cached_property
    def files(self) -> Made[bytes]:
        """The file of each task."""
        files = pipeline.names_of(self._root, self._first)
        return Made(len(self), lambda numbers: files.at(self._image[numbers]))

    @cached_property
    def seeds(self) -> Made[tuple[int, int]]:
        """The seed of the view of each task."""
        return Made(len(self), self._seeds)

    def __len__(self) -> int:
        return len(self._image)

    def __getitem__(self, part: slice) -> "Tasks":
        rows, image = np.unique(self._image[part], return_inverse=True)
        return Tasks(self._first.iloc[rows], self._root, image, self._view[part], self.views)

    def __reduce__(self) -> tuple[Any, ...]:
        return Tasks, (self._first, self._root, self._image, self._view, self.views)

    def restore(self) -> None:
        """Make the PNGs in the cache of this machine again that are missing or damaged; see `pipeline.restore`."""
        pipeline.restore(self._root, self._first)

    def at(self, numbers: np.ndarray) -> list[Task]:
        """Return the tasks of these numbers."""
        images = self._image[numbers]
        tags = [self._tags[view] for view in self._view[numbers].tolist()]
        files = zip(self._in_cache[images], self._status[images], strict=True)
        states = [None if in_cache else (int(size), int(changed)) for in_cache, (size, changed) in files]
        rows = zip(self._index[images].tolist(), self._digests[images], tags, self.files.at(numbers), states, strict=True)
        return [Task(*row) for row in rows]

    def _seeds(self, numbers: np.ndarray) -> list[tuple[int, int]]:
        images, views = self._digests[self._image[numbers]], self._view[numbers] + 1
        return [view_seed(digest, view, self.views.seed) for digest, view in zip(images, views.tolist(), strict=True)]


def views_of(config: Config) -> Views:
    """Return the augmented views requested by the configuration."""
    augmentation = config.augment
    return Views(augmentation.views, augmentation if augmentation.views else None, config.seed)


def count_missing(rows: pd.DataFrame, outputs: Sequence[str], store: Store, views: Views = ONLY_PLAIN) -> int:
    """Return how many images, or views of images, are still to be computed."""
    names = _names(outputs, views)
    stored = store.has(by_image(rows["digest"].drop_duplicates(), names))
    return int((~np.array(stored, bool).reshape(-1, len(outputs)).all(1)).sum())


def _names(outputs: Sequence[str], views: Views) -> list[tuple[str, str]]:
    return [(tag, output) for tag in views.tags() for output in outputs]


def missing(rows: pd.DataFrame, root: Root, outputs: Sequence[str], store: Store, views: Views, progress: Progress) -> Tasks:
    """Return a task for each distinct content and view that lacks an output, or has a damaged one."""
    first = rows[[name for name in _FACTS if name in rows]].drop_duplicates("digest")
    stored = store.sound(by_image(first["digest"], _names(outputs, views)), progress)
    lacking = np.logical_not(np.array(stored, bool).reshape(len(first), len(views.tags()), len(outputs)).all(2))
    some = np.flatnonzero(lacking.any(axis=1))
    image, view = np.nonzero(lacking[some])
    return Tasks(first.iloc[some], root, image, view, views)
