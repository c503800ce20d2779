"""Feature extraction: the features of each image are computed once and stored."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import tensorflow as tf

from transfer.config import Config
from transfer.data import pipeline
from transfer.data.dataset import Dataset
from transfer.data.pipeline import ImageSpec
from transfer.data.storage import Root
from transfer.features import space, specs
from transfer.features.extractor import FeatureExtractor
from transfer.features.keys import key
from transfer.features.store import Store
from transfer.features.tasks import ONLY_PLAIN, Task, Views, count_missing, missing, views_of
from transfer.features.tasks import PLAIN as PLAIN
from transfer.features.thumbnails import THUMBNAIL, thumbnail
from transfer.system.progress import Progress


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
    used, batch_size = dataset.used, specs.batch_size(config, extractor.image_spec.size)
    failures = compute_missing(
        used, dataset.root, extractor.image_spec, [*extractor.outputs, THUMBNAIL], lambda batch: [*extractor(batch), thumbnail(batch)],
        batch_size, store, progress, needed=extractor.outputs,
    )  # fmt: skip
    # Images whose features were stored before thumbnails were.
    rest = _without(used, failures)
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
        specs.batch_size(config, extractor.image_spec.size), store, progress, views_of(config), "Extracting features of views",
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
    root: Root,
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
    tasks = missing(_without(rows, failures), root, needed or outputs, store, views, progress)
    if not len(tasks):
        return failures
    dataset = pipeline.batches(tasks.files, image_spec, batch_size, tasks.seeds if views.augmentation else None, views.augmentation)
    seen = np.zeros(len(tasks), bool)
    with progress.step(title, len(tasks)) as advance:
        for positions, images in dataset:
            batch = tasks.at(positions.numpy())
            arrays = compute(images)
            kept = [number for number, task in enumerate(batch) if _unchanged(task, root, failures)]
            store.put(
                {
                    key(batch[number].digest, batch[number].tag, output): array[number].tobytes()
                    for number in kept
                    for output, array in zip(outputs, arrays, strict=True)
                }
            )
            seen[positions.numpy()] = True
            advance(len(batch))
    _explain_missing(tasks.at(np.flatnonzero(~seen)), root, image_spec, store, failures)
    return _spread(failures, rows)


def _known_failures(rows: pd.DataFrame, store: Store) -> dict[int, str]:
    return _of_digests(store.notes(rows["digest"].to_numpy(object)), rows)


def _of_digests(reasons: Mapping[str, str], rows: pd.DataFrame) -> dict[int, str]:
    """Return the reason of each row whose digest has one, by index label."""
    found = rows.loc[rows["digest"].isin(reasons), "digest"] if reasons else rows["digest"].iloc[:0]
    return {int(index): reasons[digest] for index, digest in found.items()}


def _without(rows: pd.DataFrame, failures: Mapping[int, str]) -> pd.DataFrame:
    return rows.drop(index=list(failures)) if failures else rows


def _unchanged(task: Task, root: Root, failures: dict[int, str]) -> bool:
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


def _explain_missing(tasks: list[Task], root: Root, image_spec: ImageSpec, store: Store, failures: dict[int, str]) -> None:
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
    return _of_digests({rows.at[index, "digest"]: reason for index, reason in failures.items()}, rows)
