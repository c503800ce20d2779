"""Train, validation and test: pure functions of the manifest.

A file's split depends on its own unit (the digest of its bytes, or its group): unit and seed give a number in [0, 1), and
thresholds turn that into a split. So adding files moves no file, and exact duplicates and groups fall in the same split. One
exception: where a class would have none in a split, its unit nearest to the threshold fills the gap.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from transfer.config import DataConfig
from transfer.data import dataset as manifests
from transfer.data.classes import MINIMUM, leave_out_small, require_classes
from transfer.data.dataset import Dataset
from transfer.data.groups import by_class, units
from transfer.errors import DataError


def position(unit: str, seed: int) -> float:
    """Return a number in [0, 1), uniform over units, that depends on unit and seed alone."""
    mixed = hashlib.sha256(f"split/{seed}/{unit}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(mixed[:8], "big") / 2**64


def assign(members_of: dict[str, list[str]], validation: float, test: float, seed: int) -> dict[str, str]:
    """Divide units into splits.

    Args:
        members_of: class name -> units of its images (`units.py`); a unit may stand in several classes.
        validation: share of the validation split, in (0, 0.5).
        test: share of the test split, in (0, 0.5).
        seed: another seed gives another division.

    Returns:
        unit -> `train`, `validation` or `test`; each class has all three where it has three distinct units.
    """
    where = {unit: position(unit, seed) for members in members_of.values() for unit in members}
    chosen = {unit: _by_threshold(value, validation, test) for unit, value in where.items()}
    classes = Counter(unit for members in members_of.values() for unit in set(members))
    upper = {"test": test, "validation": test + validation, "train": 1.0}
    for label in sorted(members_of):
        _fill_gaps(sorted(set(members_of[label])), chosen, where, upper, classes)
    return chosen


def _by_threshold(value: float, validation: float, test: float) -> str:
    if value < test:
        return "test"
    return "validation" if value < test + validation else "train"


def _fill_gaps(
    members: list[str], chosen: dict[str, str], where: dict[str, float], upper: dict[str, float], classes: Mapping[str, int]
) -> None:
    """Give a class at least one unit in each split, taking the one nearest to the missing split's threshold."""
    if len(members) < MINIMUM:
        return
    for missing in ("test", "validation", "train"):
        held = Counter(chosen[unit] for unit in members)
        if held[missing]:
            continue
        spare = [unit for unit in members if held[chosen[unit]] > 1]
        # A unit that stands in several classes is moved last: another class may need it where it is.
        nearest = min(spare, key=lambda unit: (classes[unit] > 1, abs(where[unit] - upper[missing]), unit))
        chosen[nearest] = missing


def split(dataset: Dataset, config: DataConfig, seed: int, required: bool = True) -> Dataset:
    """Give each used file of a dataset its split; see `divide` for the rules and the errors.

    Args:
        dataset: scanned; splits of an earlier call are forgotten.
        config: shares of the splits.
        seed: another seed gives other splits.
        required: else data that cannot be split stays as the source has it, and `unsplit` says why.
    """
    try:
        return replace(dataset, table=divide(dataset.scanned, config, seed, dataset.ready_made), unsplit="")
    except DataError as error:
        if required:
            raise
        return replace(dataset, table=dataset.scanned, unsplit=str(error))


def divide(manifest: pd.DataFrame, config: DataConfig, seed: int, ready_made: bool = False) -> pd.DataFrame:
    """Return the manifest with the split of each used file.

    Where the source names the splits (`ready_made`), they are kept, those that it lacks are carved out of `train`, and
    images without one are given one as usual. There, a training image that is also a validation or test image (the
    same bytes, or the same group) is skipped: it would make the figures look better than they are. So is a validation
    image that is also a test image.

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
    chosen = assign(by_class(usable), config.validation, config.test, seed)
    return manifest.assign(split=units(usable).map(chosen).reindex(manifest.index, fill_value="").astype(object))


def _carved(manifest: pd.DataFrame, config: DataConfig, seed: int) -> pd.DataFrame:
    """Take the splits that a ready-made source lacks out of its training images."""
    usable = manifests.used(manifest)
    present = set(usable["split"])
    lacking = {"validation", "test"} - present
    training = usable[usable["split"] == "train"]
    if not lacking:
        return manifest
    members_of = by_class(training)
    chosen = assign(members_of, config.validation, config.test, seed)
    manifest = manifest.copy()
    for members in members_of.values():
        if all(chosen[unit] in lacking for unit in members):  # only a class with fewer than three
            chosen[max(members, key=lambda unit: position(unit, seed))] = "train"
    carved = units(training).map(chosen)
    manifest.loc[training.index, "split"] = carved.where(carved.isin(lacking), "train")
    return manifest


def _placed(manifest: pd.DataFrame, config: DataConfig, seed: int) -> pd.DataFrame:
    """Give the images of a ready-made source that name no split the one of their unit, or else one by their content."""
    usable = manifests.used(manifest)
    unit = units(usable)
    known: dict[str, str] = {}
    for split in manifests.SPLITS:  # the last one, the test, counts where a unit stands in several
        known |= dict.fromkeys(unit[usable["split"] == split], split)
    placed = [
        split or known.get(name) or _by_threshold(position(name, seed), config.validation, config.test)
        for split, name in zip(usable["split"], unit, strict=True)
    ]
    splits = manifest["split"].copy()
    splits[usable.index] = placed
    return manifest.assign(split=splits)


def _without_leaks(manifest: pd.DataFrame) -> pd.DataFrame:
    usable = manifests.used(manifest)
    usable = usable.assign(unit=units(usable))
    first: dict[str, dict[str, tuple[str, str]]] = {"test": {}, "validation": {}}
    for split, found in first.items():
        rows = usable[usable["split"] == split][::-1]
        found.update(zip(rows["unit"], zip(rows["digest"], rows["path"], strict=True), strict=True))
    reasons = {}
    for index, row in zip(usable.index, usable.itertuples(), strict=True):
        for split in ("test", "validation"):
            stronger = split == "test" or row.split == "train"
            if row.split not in (split, "") and stronger and row.unit in first[split]:
                digest, path = first[split][row.unit]
                what = "the same image" if digest == row.digest else "an image of the same group"
                reasons[index] = f"{what} is in {split}: {path}"
                break
    return manifests.skip(manifest, reasons)


def _taken(manifest: pd.DataFrame) -> str:
    """Say what to do, or how many images were skipped for the sake of another split, where that may be the cause."""
    taken = int(manifest["reason"].str.contains(" is in (?:validation|test): ", regex=True).sum())
    if not taken:
        return " Add images, or take the class out."
    return f" Of the images, {taken} are left out because the same image, or one of the same group, is in validation or test."


def _require_splits(manifest: pd.DataFrame) -> pd.DataFrame:
    usable = manifests.used(manifest)
    for split in manifests.SPLITS:
        missing = sorted(set(usable["label"]) - set(usable.loc[usable["split"] == split, "label"]))
        if missing and (split == "train" or len(missing) == usable["label"].nunique()):
            raise DataError(f"Each class needs images in {split}. Received none for {', '.join(missing)}.{_taken(manifest)}")
    return manifest
