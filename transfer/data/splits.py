"""Train, validation and test: pure functions of the manifest.

A file's split depends on its own content: the digest of its bytes and the seed give a number in [0, 1), and thresholds
turn that into a split. So adding files moves no file, and exact copies fall in the same split. One exception: where a
class would have none in a split, its content nearest to the threshold fills the gap.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping

import pandas as pd

from transfer.config import DataConfig
from transfer.data import manifest as manifests
from transfer.errors import DataError

MINIMUM = 3
"""Distinct pictures that a class needs: one for each split."""


def position(digest: str, seed: int) -> float:
    """Return a number in [0, 1), uniform over digests, that depends on digest and seed alone."""
    mixed = hashlib.sha256(f"split/{seed}/{digest}".encode()).digest()
    return int.from_bytes(mixed[:8], "big") / 2**64


def assign(digests: dict[str, list[str]], validation: float, test: float, seed: int) -> dict[str, str]:
    """Divide distinct contents into splits.

    Args:
        digests: class name -> digests of its pictures; a digest may stand in several classes.
        validation: share of the validation split, in (0, 0.5).
        test: share of the test split, in (0, 0.5).
        seed: another seed gives another division.

    Returns:
        digest -> `train`, `validation` or `test`; each class has all three where it has three distinct digests.
    """
    where = {digest: position(digest, seed) for members in digests.values() for digest in members}
    chosen = {digest: _by_threshold(value, validation, test) for digest, value in where.items()}
    classes = Counter(digest for members in digests.values() for digest in set(members))
    upper = {"test": test, "validation": test + validation, "train": 1.0}
    for label in sorted(digests):
        _fill_gaps(sorted(set(digests[label])), chosen, where, upper, classes)
    return chosen


def _by_threshold(value: float, validation: float, test: float) -> str:
    if value < test:
        return "test"
    return "validation" if value < test + validation else "train"


def _fill_gaps(
    members: list[str], chosen: dict[str, str], where: dict[str, float], upper: dict[str, float], classes: Mapping[str, int]
) -> None:
    """Give a class at least one content in each split, taking the one nearest to the missing split's threshold."""
    if len(members) < MINIMUM:
        return
    for missing in ("test", "validation", "train"):
        held = Counter(chosen[digest] for digest in members)
        if held[missing]:
            continue
        spare = [digest for digest in members if held[chosen[digest]] > 1]
        # A content that stands in several classes is moved last: another class may need it where it is.
        nearest = min(spare, key=lambda digest: (classes[digest] > 1, abs(where[digest] - upper[missing]), digest))
        chosen[nearest] = missing


def divide(manifest: pd.DataFrame, config: DataConfig, seed: int, ready_made: bool = False) -> pd.DataFrame:
    """Return the manifest with the split of each used file.

    Where the folder names the splits (`ready_made`), they are kept, and those that it lacks are carved out of `train`.
    There, a training picture that is also a validation or test picture (the same bytes) is skipped: it would make the
    figures look better than they are. So is a validation picture that is also a test picture.

    Raises:
        DataError: fewer than two classes, a class with fewer than three distinct pictures, or a split without pictures.
    """
    if ready_made:
        manifest = _without_leaks(manifest)
    if config.min_per_class is not None:
        manifest = leave_out_small(manifest, config.min_per_class)
    require_classes(manifest, every_folder=config.min_per_class is None)
    if ready_made:
        return _require_splits(_carved(manifest, config, seed))
    usable = manifests.used(manifest)
    chosen = assign(_by_class(usable), config.validation, config.test, seed)
    return manifest.assign(split=manifest["digest"].map(chosen).where(manifest["reason"] == "", "").astype(object))


def _by_class(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Class name -> digests. Not by pandas, whose indexes refuse file names that are no Unicode."""
    found: dict[str, list[str]] = {}
    for label, digest in zip(rows["label"], rows["digest"], strict=True):
        found.setdefault(label, []).append(digest)
    return found


def _distinct(rows: pd.DataFrame) -> dict[str, int]:
    """Class name -> number of different pictures."""
    return {label: len(set(digests)) for label, digests in _by_class(rows).items()}


def _carved(manifest: pd.DataFrame, config: DataConfig, seed: int) -> pd.DataFrame:
    """Take the splits that a ready-made folder lacks out of its training pictures."""
    usable = manifests.used(manifest)
    present = set(usable["split"])
    lacking = {"validation", "test"} - present
    training = usable[usable["split"] == "train"]
    if not lacking:
        return manifest
    chosen = assign(_by_class(training), config.validation, config.test, seed)
    manifest = manifest.copy()
    for members in _by_class(training).values():
        if all(chosen[digest] in lacking for digest in members):  # only a class with fewer than three
            chosen[max(members, key=lambda digest: position(digest, seed))] = "train"
    carved = training["digest"].map(chosen)
    manifest.loc[training.index, "split"] = carved.where(carved.isin(lacking), "train")
    return manifest


def _without_leaks(manifest: pd.DataFrame) -> pd.DataFrame:
    usable = manifests.used(manifest)
    first: dict[str, dict[str, str]] = {"test": {}, "validation": {}}
    for split, paths in first.items():
        rows = usable[usable["split"] == split]
        paths.update(zip(rows["digest"][::-1], rows["path"][::-1], strict=True))
    reasons = {}
    for index, row in zip(usable.index, usable.itertuples(), strict=True):
        for split in ("test", "validation"):
            stronger = split == "test" or row.split == "train"
            if row.split != split and stronger and row.digest in first[split]:
                reasons[index] = f"the same picture is in {split}: {first[split][row.digest]}"
                break
    return manifests.skip(manifest, reasons)


def _require_splits(manifest: pd.DataFrame) -> pd.DataFrame:
    usable = manifests.used(manifest)
    for split in manifests.SPLITS:
        missing = sorted(set(usable["label"]) - set(usable.loc[usable["split"] == split, "label"]))
        if missing and (split == "train" or len(missing) == usable["label"].nunique()):
            raise DataError(f"Each class needs pictures in {split}. Received none for {', '.join(missing)}.")
    return manifest


def leave_out_small(manifest: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Skip the pictures of classes with fewer than `minimum` different ones."""
    usable = manifests.used(manifest)
    small = {label for label, count in _distinct(usable).items() if count < minimum}
    reason = f"class left out: fewer than {minimum} pictures (data.min_per_class)"
    return manifests.skip(manifest, dict.fromkeys(usable.index[usable["label"].isin(small)], reason))


def require_classes(manifest: pd.DataFrame, every_folder: bool = True) -> None:
    """Check that there are at least two classes of at least three distinct pictures each, with names of one line.

    Args:
        manifest: all files.
        every_folder: whether a class folder without a usable picture is an error; else it is no class.

    Raises:
        DataError: with the table of counts, or the names.
    """
    usable = manifests.used(manifest)
    if usable.empty:
        raise DataError(f"No readable picture was found. {_why_skipped(manifest)}")
    rows = manifest if every_folder else usable
    labels = sorted(label for label in rows["label"].unique() if label)
    several_lines = [repr(label) for label in labels if "\n" in label or "\r" in label]
    if several_lines:
        raise DataError(f"A class name is one line: a line of labels.txt. Rename the folder. Received {', '.join(several_lines)}.")
    distinct = _distinct(usable)
    small = [label for label in labels if distinct.get(label, 0) < MINIMUM]
    table = manifests.counts_table(rows)
    if len(labels) < 2:
        raise DataError(f"A classifier needs at least 2 classes: one sub-folder for each. Received {len(labels)} ({table}).")
    if small:
        raise DataError(
            f"Each class needs at least {MINIMUM} different readable pictures, one for each split. Too few in: "
            f"{', '.join(small)}. Received {table}. Add pictures, remove the folder, or leave such classes out with "
            f"--set data.min_per_class={MINIMUM}."
        )


def _why_skipped(manifest: pd.DataFrame) -> str:
    counts = manifests.reason_counts(manifest)
    if not counts:
        return "Expected DATA/<class>/<picture>. Received a folder without files."
    listed = ", ".join(f"{count} {reason}" for reason, count in list(counts.items())[:5])
    return f"Received {len(manifest)} files: {listed}."
