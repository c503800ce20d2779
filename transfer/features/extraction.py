"""Feature extraction: the features of each image are computed once and stored."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from transfer.config import AugmentConfig, Config
from transfer.data import pipeline
from transfer.data.augment import settings_tag, view_seed
from transfer.data.dataset import Dataset
from transfer.data.pipeline import ImageSpec
from transfer.features import space
from transfer.features.extractor import FeatureExtractor
from transfer.features.store import Store, key
from transfer.features.thumbnails import THUMBNAIL, thumbnail
from transfer.system.progress import Progress

PLAIN = "0"
"""Tag of view 0, the plain image."""


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
class _Task:
    """One view of an image to compute.

    Attributes:
        status: size and ctime_ns of its file when it was hashed; None: its file is a PNG in the cache.
    """

    index: int
    digest: str
    view: int
    tag: str
    file: bytes
    status: tuple[int, int] | None


def views_of(config: Config) -> Views:
    """Return the augmented views requested by the configuration."""
    augmentation = config.augment
    return Views(augmentation.views, augmentation if augmentation.views else None, config.seed)


def extract(dataset: Dataset, extractor: FeatureExtractor, store: Store, config: Config, progress: Progress) -> Dataset:
    """Compute and store missing features and thumbnails; return the dataset without the images that failed.

    Args:
        dataset: split; the space check includes the augmented views of its training images.
        extractor: computes the features.
        store: the extractor's feature set.
        config: batch size and views.
        progress: reports each image.

    Raises:
        StoreError: if there is not enough free disk space.
    """
    _require_room(dataset, extractor, store, config, progress)
    used, batch_size = dataset.used, config.features.batch_size
    failures = compute_missing(
        used, dataset.root, extractor.image_spec, [*extractor.outputs, THUMBNAIL], lambda batch: [*extractor(batch), thumbnail(batch)],
        batch_size, store, progress, needed=extractor.outputs,
    )  # fmt: skip
    # Images whose features were stored before thumbnails were.
    rest = used.drop(index=list(failures))
    failures |= compute_missing(
        rest, dataset.root, extractor.image_spec, [THUMBNAIL], lambda batch: [thumbnail(batch)],
        batch_size, store, progress, title="Making thumbnails",
    )  # fmt: skip
    return dataset.skip(failures)


def extract_views(dataset: Dataset, extractor: FeatureExtractor, store: Store, config: Config, progress: Progress) -> Dataset:
    """Like `extract`, for the augmented views of the training images, if the configuration requests any."""
    if not config.augment.views:
        return dataset
    extractor = extractor.for_training()
    failures = compute_missing(
        dataset.rows(*config.fitted_splits), dataset.root, extractor.image_spec, extractor.outputs, extractor,
        config.features.batch_size, store, progress, views_of(config), "Extracting features of views",
    )  # fmt: skip
    return dataset.skip(failures)


def _require_room(dataset: Dataset, extractor: FeatureExtractor, store: Store, config: Config, progress: Progress) -> None:
    """Check and report the disk space that images and views need; see `space.require` for the error."""
    records, of_views, plain = count_missing(dataset.used, extractor.outputs, store), 0, extractor.for_training()
    if config.augment.views:
        of_views = count_missing(dataset.rows(*config.fitted_splits), plain.outputs, store, views_of(config))
    needed = records * space.bytes_of(extractor) + of_views * space.bytes_of(plain)
    space.require(store.path, needed, records + of_views, progress)


def compute_missing(
    rows: pd.DataFrame,
    root: Path,
    image_spec: ImageSpec,
    outputs: Sequence[str],
    compute: Callable[[tf.Tensor], list[np.ndarray]],
    batch_size: int,
    store: Store,
    progress: Progress,
    views: Views = ONLY_PLAIN,
    title: str = "Extracting features",
    needed: Sequence[str] | None = None,
) -> dict[int, str]:
    """Compute and store the outputs that are missing from the store.

    Batches follow the order of the rows and are stored as a whole: an extraction that was killed resumes with the same batches.

    Args:
        rows: used rows of a dataset's table.
        root: folder that their paths are relative to.
        image_spec: how files are decoded.
        outputs: names of what `compute` returns, as in `store.key`.
        compute: uint8 [b, size, size, 3] -> one array [b, width] for each output.
        batch_size: images in a batch.
        store: where records are looked up and written.
        progress: reports each image.
        views: which views of each image.
        title: title of the progress bar.
        needed: an image is computed if it lacks any of these outputs; none: `outputs`.

    Returns:
        Images that could not be computed: index label -> reason.
    """
    failures = _known_failures(rows, store)
    tasks = _missing(rows.drop(index=list(failures)), root, needed or outputs, store, views, progress)
    if not tasks:
        return failures
    seeds = [view_seed(task.digest, task.view, views.seed) for task in tasks] if views.augmentation else None
    dataset = pipeline.batches([task.file for task in tasks], image_spec, batch_size, seeds, views.augmentation)
    seen: set[int] = set()
    with progress.step(title, len(tasks)) as advance:
        for positions, images in dataset:
            batch = [tasks[position] for position in positions.numpy()]
            arrays = compute(images)
            kept = [number for number, task in enumerate(batch) if _unchanged(task, root, failures)]
            store.put(
                {
                    key(batch[number].digest, batch[number].tag, output): array[number].tobytes()
                    for number in kept
                    for output, array in zip(outputs, arrays, strict=True)
                }
            )
            seen.update(int(position) for position in positions.numpy())
            advance(len(batch))
    _explain_missing([task for position, task in enumerate(tasks) if position not in seen], root, image_spec, store, failures)
    return _spread(failures, rows)


def _known_failures(rows: pd.DataFrame, store: Store) -> dict[int, str]:
    notes = store.notes(rows["digest"])
    return {int(index): notes[digest] for index, digest in rows["digest"].items() if digest in notes}


def count_missing(rows: pd.DataFrame, outputs: Sequence[str], store: Store, views: Views = ONLY_PLAIN) -> int:
    """Return how many images, or views of images, are still to be computed."""
    return _whole(store.has(_names(rows.drop_duplicates("digest"), outputs, views)), len(outputs)).count(False)


def _whole(stored: list[bool], outputs: int) -> list[bool]:
    """Return for each image and view whether all its outputs are stored; they are consecutive."""
    return [all(stored[start : start + outputs]) for start in range(0, len(stored), outputs)]


def _names(first: pd.DataFrame, outputs: Sequence[str], views: Views) -> list[bytes]:
    return [key(digest, tag, output) for digest in first["digest"] for tag in views.tags() for output in outputs]


def _missing(rows: pd.DataFrame, root: Path, outputs: Sequence[str], store: Store, views: Views, progress: Progress) -> list[_Task]:
    """Return a task for each distinct content and view that lacks an output, or has a damaged one."""
    first, tags = rows.drop_duplicates("digest"), views.tags()
    stored = _whole(store.sound(_names(first, outputs, views), progress), len(outputs))
    whole = np.array(stored, bool).reshape(len(first), len(tags))
    lacking = ~whole.all(1)
    tasks = []
    some = zip(first[lacking].iterrows(), pipeline.files_of(root, first[lacking]), whole[lacking], strict=True)
    for (index, row), file, of_views in some:
        status = None if row["status"] == "transcoded" else (int(row["size"]), int(row["ctime_ns"]))
        for number, (tag, is_whole) in enumerate(zip(tags, of_views, strict=True), start=0 if views.augmentation is None else 1):
            if not is_whole:
                tasks.append(_Task(int(index), row["digest"], number, tag, file, status))
    return tasks


def _unchanged(task: _Task, root: Path, failures: dict[int, str]) -> bool:
    """Return whether the file is unchanged since it was hashed: otherwise its features would be stored under the wrong digest.

    The time of its content can be set, and is, by programs that copy; the one that is looked at cannot. It also tells of a new name or
    new permissions: such a file is hashed again.
    """
    if task.status is None:
        return True
    try:
        now = os.stat(task.file)
        same = (now.st_size, now.st_ctime_ns) == task.status or (now.st_size == task.status[0] and _digest(task.file) == task.digest)
    except OSError:
        same = True  # it was deleted after it was read
    if not same:
        failures[task.index] = "changed while it was read"
    return same


def _digest(file: bytes) -> str:
    with open(file, "rb") as opened:  # noqa: PTH123  (a path of any bytes)
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _explain_missing(tasks: list[_Task], root: Path, image_spec: ImageSpec, store: Store, failures: dict[int, str]) -> None:
    undecodable = {}
    for task in tasks:
        if not _unchanged(task, root, failures):
            continue  # the damaged file is not the one that was hashed
        reason = pipeline.why_undecodable(task.file, image_spec) or "could not be decoded"
        failures[task.index] = reason
        if reason.startswith("damaged"):
            undecodable[task.digest] = reason
    if undecodable:
        store.note_undecodable(undecodable)


def _spread(failures: dict[int, str], rows: pd.DataFrame) -> dict[int, str]:
    """Return the failures of all rows: exact duplicates of an image that failed fail for the same reason."""
    by_digest = {rows.at[index, "digest"]: reason for index, reason in failures.items()}
    return {int(index): by_digest[digest] for index, digest in rows["digest"].items() if digest in by_digest}
