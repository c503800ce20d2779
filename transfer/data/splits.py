"""Training, validation and test splits: pure functions of the manifest.

The split of a file depends only on its unit (the digest of its bytes, or its group): unit and seed give a number in [0, 1),
and thresholds turn it into a split. So adding files moves no other file, and exact duplicates and groups stay in one split.
One exception: if a class has no unit in a split, its unit nearest to the threshold is moved there.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from transfer.config import DataConfig
from transfer.data import dataset as manifests
from transfer.data.classes import MINIMUM, leave_out_small, require_classes
from transfer.data.dataset import Dataset
from transfer.data.groups import numbered, units
from transfer.errors import DataError

_TRAIN, _VALIDATION, _TEST = range(3)
_NAMES = np.array(manifests.SPLITS, object)


def position(unit: str, seed: int) -> float:
    """Return a number in [0, 1), uniform over units, that depends only on unit and seed."""
    return float(positions([unit], seed)[0])


def positions(units: Iterable[str], seed: int) -> np.ndarray:
    """Return the `position` of each unit, float64 [n]."""
    prefix = f"split/{seed}/"
    mixed = [hashlib.sha256(f"{prefix}{unit}".encode("utf-8", "surrogateescape")).digest()[:8] for unit in units]
    return np.frombuffer(b"".join(mixed), ">u8").astype(np.float64) / 2**64


def assign(labels: Iterable[str], units: Iterable[str], validation: float, test: float, seed: int) -> np.ndarray:
    """Assign images to splits by their units.

    Args:
        labels: class name of each image.
        units: unit of each image (`groups.py`); it may appear in several classes.
        validation: share of the validation split, in (0, 0.5).
        test: share of the test split, in (0, 0.5).
        seed: another seed gives other splits.

    Returns:
        `train`, `validation` or `test` for each image, object [n]: the same for all of a unit; each class with at least three
        distinct units has all three.
    """
    unit, names = numbered(units)
    chosen = _chosen(_by_class(labels, unit), names, validation, test, seed)
    return _NAMES[chosen[unit]]


def _by_class(labels: Iterable[str], unit: np.ndarray) -> dict[str, np.ndarray]:
    """Return class name -> the numbers of its units, each once, ascending; classes in the order in which they appear."""
    label, classes = numbered(labels)
    count = int(unit.max(initial=0)) + 1
    pairs = np.unique(label * count + unit)
    ends = np.searchsorted(pairs, np.arange(1, len(classes)) * count)
    return dict(zip(classes, np.split(pairs % count, ends), strict=True)) if classes else {}


def _chosen(members_of: Mapping[str, np.ndarray], names: Sequence[str], validation: float, test: float, seed: int) -> np.ndarray:
    """Return the split of each unit, its number in `SPLITS`."""
    where = positions(names, seed)
    chosen = _by_threshold(where, validation, test)
    classes = np.zeros(len(names), np.int64)
    for members in members_of.values():
        classes[members] += 1
    upper = (1.0, test + validation, test)
    for label in sorted(members_of):
        _fill_gaps(members_of[label], chosen, where, upper, classes, names)
    return chosen


def _by_threshold(values: np.ndarray, validation: float, test: float) -> np.ndarray:
    return np.where(values < test, _TEST, np.where(values < test + validation, _VALIDATION, _TRAIN))


def _fill_gaps(
    members: np.ndarray, chosen: np.ndarray, where: np.ndarray, upper: Sequence[float], classes: np.ndarray, names: Sequence[str]
) -> None:
    """Give a class at least one unit in each split, taking the one nearest to the missing split's threshold."""
    if len(members) < MINIMUM:
        return
    for missing in (_TEST, _VALIDATION, _TRAIN):
        held = np.bincount(chosen[members], minlength=3)
        if held[missing]:
            continue
        spare = members[held[chosen[members]] > 1].tolist()
        # Units in several classes are moved last: another class may need them where they are.
        nearest = min(spare, key=lambda unit: (classes[unit] > 1, abs(where[unit] - upper[missing]), names[unit]))
        chosen[nearest] = missing


def split(dataset: Dataset, config: DataConfig, seed: int, required: bool = True) -> Dataset:
    """Assign each used file of a dataset to a split; see `divide` for the rules and the errors.

    Args:
        dataset: scanned; splits of an earlier call are forgotten.
        config: shares of the splits.
        seed: another seed gives other splits.
        required: if false, data that cannot be split is returned as in the source, and `unsplit` says why.
    """
    try:
        return replace(dataset, table=divide(dataset.scanned, config, seed, dataset.ready_made), unsplit="")
    except DataError as error:
        if required:
            raise
        return replace(dataset, table=dataset.scanned, unsplit=str(error))


def divide(manifest: pd.DataFrame, config: DataConfig, seed: int, ready_made: bool = False) -> pd.DataFrame:
    """Return the manifest with the split of each used file.

    Splits defined by the source (`ready_made`) are kept, missing ones are taken from `train`, and images without a split are
    assigned one as usual. In that case, a training image that is also a validation or test image (the same bytes, or the
    same group) is skipped, as it would inflate the metrics. So is a validation image that is also a test image.

    Raises:
        DataError: fewer than two classes, a class with fewer than three distinct images, or a split without images.
    """
    if ready_made:
        manifest = _without_leaks(manifest)
    if config.min_per_class is not None:
        manifest = leave_out_small(manifest, config.min_per_class)
    require_classes(manifest, every_folder=config.min_per_class is None)
    if ready_made:
        return _require_splits(_carved(_placed(manifest, config, seed), config, seed))
    usable = manifests.used(manifest)
    split = pd.Series("", manifest.index, dtype=object)
    split[usable.index] = assign(usable["label"], units(usable), config.validation, config.test, seed)
    return manifest.assign(split=split)


def _carved(manifest: pd.DataFrame, config: DataConfig, seed: int) -> pd.DataFrame:
    """Take splits that the source does not define from its training images."""
    usable = manifests.used(manifest)
    lacking = {"validation", "test"} - set(usable["split"])
    training = usable[usable["split"] == "train"]
    if not lacking:
        return manifest
    unit, names = numbered(units(training))
    members_of = _by_class(training["label"], unit)
    chosen = _chosen(members_of, names, config.validation, config.test, seed)
    taken = np.array([one in lacking for one in manifests.SPLITS])
    for members in members_of.values():
        if taken[chosen[members]].all():  # only a class with fewer than three
            chosen[max(members.tolist(), key=lambda one: position(names[one], seed))] = _TRAIN
    split = manifest["split"].copy()
    split[training.index] = _NAMES[np.where(taken[chosen], chosen, _TRAIN)[unit]]
    return manifest.assign(split=split)


def _placed(manifest: pd.DataFrame, config: DataConfig, seed: int) -> pd.DataFrame:
    """Assign images without a split to the split of their unit, or else to one by the hash of the unit."""
    usable = manifests.used(manifest)
    own, (unit, names) = usable["split"].to_numpy(object), numbered(units(usable))
    known = np.full(len(names), "", object)
    for split in manifests.SPLITS:  # the last one, test, wins if a unit is in several
        known[unit[own == split]] = split
    placed = np.where(own != "", own, known[unit])
    left = np.flatnonzero(placed == "")
    placed[left] = _NAMES[_by_threshold(positions([names[number] for number in unit[left].tolist()], seed), config.validation, config.test)]
    splits = manifest["split"].copy()
    splits[usable.index] = placed
    return manifest.assign(split=splits)


def _without_leaks(manifest: pd.DataFrame) -> pd.DataFrame:
    usable = manifests.used(manifest)
    own, (unit, names) = usable["split"].to_numpy(object), numbered(units(usable))
    digests, paths = usable["digest"].to_numpy(object), usable["path"].to_numpy(object)
    reasons: dict[int, str] = {}
    for split, weaker in (("validation", own == "train"), ("test", (own == "train") | (own == "validation"))):
        rows, first = np.flatnonzero(own == split), np.full(len(names), -1)
        first[unit[rows][::-1]] = rows[::-1]
        for place in np.flatnonzero(weaker & (first[unit] >= 0)).tolist():  # the last one, test, is told if it is in both
            other = first[unit[place]]
            what = "the same image" if digests[other] == digests[place] else "an image of the same group"
            reasons[usable.index[place]] = f"{what} is in {split}: {paths[other]}"
    return manifests.skip(manifest, reasons)


def _taken(manifest: pd.DataFrame) -> str:
    """Return what to do, or how many images were skipped in favour of another split, if that may be the cause."""
    taken = int(manifest["reason"].str.contains(" is in (?:validation|test): ", regex=True).sum())
    if not taken:
        return " Add images, or remove the class."
    return f" {taken} images are skipped because the same image, or one of the same group, is in validation or test."


def _require_splits(manifest: pd.DataFrame) -> pd.DataFrame:
    usable = manifests.used(manifest)
    for split in manifests.SPLITS:
        missing = sorted(set(usable["label"]) - set(usable.loc[usable["split"] == split, "label"]))
        if missing and (split == "train" or len(missing) == usable["label"].nunique()):
            raise DataError(f"Each class needs images in {split}. Received none for {', '.join(missing)}.{_taken(manifest)}")
    return manifest
