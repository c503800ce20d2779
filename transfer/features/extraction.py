"""Feature extraction: the features of each image are computed once and stored."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import tensorflow as tf

from transfer.config import Config
from transfer.data.dataset import Dataset
from transfer.data.pipeline import ImageSpec
from transfer.data.storage import Root
from transfer.engines import LOCAL, Engine, Lost
from transfer.features import space, specs
from transfer.features.extractor import FeatureExtractor
from transfer.features.keys import key
from transfer.features.store import Store
from transfer.features.tasks import ONLY_PLAIN, Task, Views, count_missing, missing, views_of
from transfer.features.tasks import PLAIN as PLAIN
from transfer.features.thumbnails import THUMBNAIL, WithThumbnails
from transfer.features.work import Computed, ImageWork
from transfer.system.progress import Progress


def extract(
    dataset: Dataset, extractor: FeatureExtractor, store: Store, config: Config, progress: Progress, engine: Engine = LOCAL
) -> Dataset:
    """Compute and store missing features and thumbnails; return the dataset without the images that failed.

    Args:
        dataset: split; the space check includes the augmented views of its training images.
        extractor: computes the features.
        store: the extractor's feature set.
        config: batch size and views.
        progress: reports each image.
        engine: where they are computed; the store is written here.

    Raises:
        StoreError: if there is not enough free disk space.
    """
    _require_room(dataset, extractor, store, config, progress)
    used, batch_size = dataset.used, specs.batch_size(config, extractor.image_spec.size)
    failures = compute_missing(
        used, dataset.root, extractor.image_spec, [*extractor.outputs, THUMBNAIL], WithThumbnails(extractor),
        batch_size, store, progress, needed=extractor.outputs, engine=engine,
    )  # fmt: skip
    # Images whose features were stored before thumbnails were.
    rest = _without(used, failures)
    failures |= compute_missing(
        rest, dataset.root, extractor.image_spec, [THUMBNAIL], WithThumbnails(), batch_size, store, progress,
        title="Making thumbnails", engine=engine,
    )  # fmt: skip
    return dataset.skip(failures)


def extract_views(
    dataset: Dataset, extractor: FeatureExtractor, store: Store, config: Config, progress: Progress, engine: Engine = LOCAL
) -> Dataset:
    """Like `extract`, for the augmented views of the training images, if the configuration requests any."""
    if not config.augment.views:
        return dataset
    extractor = extractor.for_training()
    failures = compute_missing(
        dataset.rows(*config.fitted_splits), dataset.root, extractor.image_spec, extractor.outputs, extractor,
        specs.batch_size(config, extractor.image_spec.size), store, progress, views_of(config), "Extracting features of views",
        engine=engine,
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
    engine: Engine = LOCAL,
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
        engine: where they are computed.

    Returns:
        Images that could not be computed: index label -> reason.
    """
    failures = _known_failures(rows, store)
    tasks = missing(_without(rows, failures), root, needed or outputs, store, views, progress)
    if not len(tasks):
        return failures
    work = ImageWork(root, image_spec, compute, batch_size)
    with progress.step(engine.titled(title), len(tasks)) as advance:
        for positions, found in engine.stream(work, tasks, batch_size):
            batch = tasks.at(positions)
            if isinstance(found, Lost):
                failures |= {task.index: found.reason for task in batch}
            else:
                failures |= {batch[number].index: reason for number, reason in found.failures.items()}
                _put(store, batch, outputs, found)
            advance(len(batch))
    return _spread(failures, rows)


def _put(store: Store, batch: Sequence[Task], outputs: Sequence[str], found: Computed) -> None:
    """Store what was computed, and which files cannot be decoded."""
    kept = [number for number in range(len(batch)) if number not in found.failures]
    if kept:
        store.put(
            {
                key(batch[number].digest, batch[number].tag, output): array[number].tobytes()
                for number in kept
                for output, array in zip(outputs, found.arrays, strict=True)
            }
        )
    damaged = {batch[number].digest: reason for number, reason in found.failures.items() if reason.startswith("damaged")}
    if damaged:
        store.note_undecodable(damaged)


def _known_failures(rows: pd.DataFrame, store: Store) -> dict[int, str]:
    return _of_digests(store.notes(rows["digest"].to_numpy(object)), rows)


def _of_digests(reasons: Mapping[str, str], rows: pd.DataFrame) -> dict[int, str]:
    """Return the reason of each row whose digest has one, by index label."""
    found = rows.loc[rows["digest"].isin(reasons), "digest"] if reasons else rows["digest"].iloc[:0]
    return {int(index): reasons[digest] for index, digest in found.items()}


def _without(rows: pd.DataFrame, failures: Mapping[int, str]) -> pd.DataFrame:
    return rows.drop(index=list(failures)) if failures else rows


def _spread(failures: dict[int, str], rows: pd.DataFrame) -> dict[int, str]:
    """Return the failures of all rows: exact duplicates of an image that failed fail for the same reason."""
    return _of_digests({rows.at[index, "digest"]: reason for index, reason in failures.items()}, rows)
