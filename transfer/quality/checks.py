"""All checks of a data set, in order, and the splits that follow from what they find."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer.config import CheckConfig, Config
from transfer.data import dataset as manifests
from transfer.data.dataset import Dataset
from transfer.data.groups import NEAR_DUPLICATES
from transfer.data.splits import split
from transfer.features.extractor import BackboneExtractor, FeatureExtractor
from transfer.features.store import Store
from transfer.quality import files, image_quality, label_issues, leaks, near_duplicates, outliers, stored_images
from transfer.quality.findings import COLUMNS, Findings
from transfer.quality.near_duplicates import NearDuplicates
from transfer.quality.stored_images import StoredImages
from transfer.quality.tables import Standardized, Table, blocks
from transfer.system.progress import Advance, Progress

CHECKS = 5
"""Steps of `check`, for its progress: near duplicates, files, leaks, outliers, labels."""

NO_FEATURES = "Not checked: wrong labels and outliers. These checks need the features of a pretrained backbone (--backbone vgg16)."
NO_IMAGES = (
    "Not checked: near duplicates, wrong labels, outliers, blank, dark and blurred images, and border colours. These checks need the "
    "images' features, which --files-only leaves out."
)
RANDOM_WEIGHTS = (
    "Wrong labels: the features of random weights cannot judge labels, so no label is suggested. A pretrained backbone can "
    "(weights: imagenet, or a file)."
)
NOT_LEARNED = (
    "Wrong labels: these labels cannot be judged, so none is suggested. Of {:,} images, a classifier fitted on the others gives {:.1%} "
    "their label; always naming the most frequent class would give {:.1%}. Either the classes do not show in the features, or the "
    "labels say nothing about the images."
)
LEFT_OUT = (
    "{:,} pairs of images are as similar as near duplicates, but hardly more similar than each of the two is to other images. They "
    "were taken for different images, besides the {:,} pairs of near duplicates reported. check.near_duplicate_ratio=1 reports them too."
)

APPROXIMATE = (
    "Near duplicates and outliers: not all pairs of {:,} images were compared. Each image was looked for in the {} lists of images most "
    "like it, and compared with a sample of its class, so a few may be missing. Up to check.exact_images ({:,}) images all are compared."
)
_SAMPLE = 2048  # images of a class that outliers among very many are compared with


def check(
    dataset: Dataset, extractor: FeatureExtractor, store: Store, config: Config, progress: Progress, required: bool = True
) -> tuple[Dataset, Findings]:
    """Run all checks on a dataset, and split it again: images may have failed, and near duplicates may belong together.

    Args:
        dataset: extracted.
        extractor, store: what computed the features, and where they lie.
        config: limits of the checks, `data.group_by`, seed, and whether the weights are random.
        progress: reports the checks made.
        required: see `splits.split`.

    Returns:
        The dataset with its splits now, and the findings.

    Raises:
        DataError: as `splits.split`, where it is `required`.
    """
    checks = CHECKS if isinstance(extractor, BackboneExtractor) else CHECKS - 2  # outliers and labels need features
    with progress.step("Checking the data", checks, "checks") as advance:
        images = stored_images.read(dataset.table, extractor, store, config.check.exact_images)
        found = near_duplicates.find(images.features, images.thumbnails, config.check, config.seed)
        advance(1)
        dataset = split(_grouped(dataset, config, images, found), config.data, config.seed, required)
        return dataset, collect(dataset.table, images, found, config.check, config.seed, config.weights == "random", advance)


def split_again(dataset: Dataset, extractor: FeatureExtractor, store: Store, config: Config) -> Dataset:
    """Split a dataset once more, as `check` does, looking for nothing but groups."""
    if config.data.group_by == NEAR_DUPLICATES:
        images = stored_images.read(dataset.table, extractor, store, config.check.exact_images)
        found = near_duplicates.find(images.features, images.thumbnails, config.check, config.seed)
        dataset = _grouped(dataset, config, images, found)
    return split(dataset, config.data, config.seed)


def _grouped(dataset: Dataset, config: Config, images: StoredImages, found: NearDuplicates) -> Dataset:
    return dataset.grouped(found.group_names(images.rows)) if config.data.group_by == NEAR_DUPLICATES else dataset


def collect(
    manifest: pd.DataFrame,
    images: StoredImages | None,
    found: NearDuplicates | None,
    config: CheckConfig,
    seed: int,
    random_weights: bool = False,
    advance: Advance = lambda count: None,
) -> Findings:
    """Run all checks.

    Args:
        manifest: all files, divided where that was possible.
        images: what is stored of the used images; none: only the files are checked.
        found: near duplicates among `images`.
        config: limits of the checks.
        seed: of the cross-validation, and of the images chosen of many.
        random_weights: whether the features are those of random weights: they cannot judge labels.
        advance: called with the number of checks made.
    """
    usable = manifests.used(manifest)
    borders, poor = _seen(images.thumbnails, config) if images else (np.empty((0, 3), np.float32), {})
    seen = {kind: images.rows["digest"].to_numpy()[found] for kind, found in poor.items()} if images else {}
    kinds, listed = files.peculiar(manifest, seen, config)
    advance(1)
    notes = [] if images and images.features else [NO_FEATURES if images else NO_IMAGES]
    if found and found.approximate:
        notes.append(APPROXIMATE.format(len(found.groups), config.lists, config.exact_images))
    if found and found.left_out:
        notes.append(LEFT_OUT.format(found.left_out, len(found.pairs)))
    tables = {
        "classes": files.classes(manifest),
        "formats": files.formats(usable),
        "sizes": files.sizes(usable),
        "kinds": kinds,
        "files": listed,
        "duplicates": files.duplicates(manifest),
        "leaks": _leaks(usable.drop_duplicates("digest"), images, borders, config, seed),
    }
    advance(1)
    if images and found:
        rows = manifest.loc[images.rows.index]  # with the splits, which `images.rows` may be older than
        tables["near_duplicates"] = _near_duplicates(rows, found)
        if images.features:
            judged = _judged(rows, usable, images, found)
            tables["outliers"] = _outliers(judged, config, seed)
            advance(1)
            issues, doubts = ({}, [RANDOM_WEIGHTS]) if random_weights else _label_issues(judged, config, seed)
            tables, notes = tables | issues, notes + doubts
            advance(1)
    return Findings(notes, unchecked=[name for name in ("near_duplicates", "label_issues", "outliers") if name not in tables], **tables)


def _seen(thumbnails: Table, config: CheckConfig) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the colour of the border of each image, float32 [n, 3], and which images show little, by kind (`image_quality`)."""
    borders, poor = np.empty((len(thumbnails), 3), np.float32), list[dict[str, np.ndarray]]()
    for part in blocks(len(thumbnails)):
        pixels = thumbnails[part]
        borders[part] = leaks.border_color(pixels)
        poor.append(image_quality.find(pixels, config))
    return borders, image_quality.joined(poor)


def _near_duplicates(rows: pd.DataFrame, found: NearDuplicates) -> pd.DataFrame:
    pairs, facts = found.pairs, rows[["path", "label", "split"]].to_numpy()
    first, second = facts[pairs.first], facts[pairs.second]
    across = (first[:, 2] != "") & (second[:, 2] != "") & (first[:, 2] != second[:, 2])
    sets = pd.factorize(found.groups[pairs.first])[0]
    return _table("near_duplicates", [sets, *first.T, *second.T, pairs.similarity.astype(np.float64), across])


def _table(name: str, columns: Sequence[np.ndarray]) -> pd.DataFrame:
    """Return a table of plain values: Python's numbers, not NumPy's."""
    return pd.DataFrame({key: np.array(values.tolist(), object) for key, values in zip(COLUMNS[name], columns, strict=True)}, dtype=object)


@dataclass(frozen=True)
class _Judged:
    """The contents that occur in one class only, since the others are contradictions anyway.

    Attributes:
        facts: path, label, split, object [n, 3].
        names: of the classes, sorted.
        labels: number of each image's class, int64 [n].
        groups: number of its group of near duplicates, int64 [n].
        features: standardised, float32 [n, d].
        approximate: whether there are so many that the features are not in memory.
    """

    facts: np.ndarray
    names: list[str]
    labels: np.ndarray
    groups: np.ndarray
    features: np.ndarray | Standardized
    approximate: bool


def _judged(rows: pd.DataFrame, usable: pd.DataFrame, images: StoredImages, found: NearDuplicates) -> _Judged:
    labels = usable[["digest", "label"]].drop_duplicates()
    contradictions = labels.loc[labels["digest"].duplicated(), "digest"]
    known = rows["digest"].isin(usable["digest"]) & ~rows["digest"].isin(contradictions)
    chosen = np.flatnonzero((known & (rows["reason"] == "")).to_numpy(bool))
    rows = rows.iloc[chosen]
    names, numbers = _numbered(rows["label"])
    features = Standardized.of(images.features).of_rows(chosen) if found.approximate else label_issues.joined(images.features, chosen)
    return _Judged(rows[["path", "label", "split"]].to_numpy(), names, numbers, found.groups[chosen], features, found.approximate)


def _outliers(judged: _Judged, config: CheckConfig, seed: int) -> pd.DataFrame:
    sample = _SAMPLE if judged.approximate else None
    far = outliers.find(judged.features, judged.labels, config.outlier_ratio, sample=sample, seed=seed)
    return _table("outliers", [*judged.facts[far["row"].to_numpy()].T, far["ratio"].to_numpy(np.float64)])


def _label_issues(judged: _Judged, config: CheckConfig, seed: int) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return the table of label issues, or instead of it a note that the labels cannot be judged."""
    found = label_issues.find(
        judged.features, judged.labels, judged.groups, config.inverse_penalty, seed, config.max_rows, config.label_gain
    )
    if found.judged and not found.learned:
        return {}, [NOT_LEARNED.format(found.judged, found.accuracy, found.majority)]
    wrong = found.table
    suggested = np.array(judged.names, object)[wrong["suggested"].to_numpy(np.int64)]
    likely = [wrong[name].to_numpy(np.float64) for name in ("given_probability", "suggested_probability")]
    facts = judged.facts[wrong["row"].to_numpy(np.int64)]
    return {"label_issues": _table("label_issues", [*facts.T, suggested, *likely])}, []


def _leaks(rows: pd.DataFrame, images: StoredImages | None, borders: np.ndarray, config: CheckConfig, seed: int) -> pd.DataFrame:
    names, labels = _numbered(rows["label"])
    if len(names) < 2:
        return pd.DataFrame(columns=COLUMNS["leaks"], dtype=object)
    width, height = rows["width"].to_numpy(np.float64), rows["height"].to_numpy(np.float64)
    properties = {
        "file size": rows["size"].to_numpy(np.float64),
        "format": rows["format"].to_numpy(str),
        "width": width,
        "height": height,
        "aspect ratio": width / np.maximum(height, 1),
    }
    if images:
        properties["border colour"] = borders[pd.Index(images.rows["digest"]).get_indexer(rows["digest"])]
    return leaks.find(properties, labels, names, config.folds, config.leak_margin, config.leak_level, seed, config.leak_saved)


def _numbered(labels: pd.Series) -> tuple[list[str], np.ndarray]:
    """Return the class names, sorted, and the number of each label among them, int64 [n]."""
    numbers, found = pd.factorize(labels.to_numpy(object))
    order = sorted(range(len(found)), key=found.__getitem__)
    return found[order].tolist(), np.argsort(order)[numbers]
