"""Splits, units and skipped rows as plain loops over rows: slow, and easy to read. What is computed by columns must be the same."""

import hashlib
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from transfer.config import DataConfig
from transfer.data import dataset as manifests
from transfer.data.classes import MINIMUM, leave_out_small, require_classes
from transfer.data.splits import _require_splits as require_splits


def units(rows: pd.DataFrame) -> pd.Series:
    """Return the name of each row's unit."""
    names = [f"group {group}" if group else digest for group, digest in zip(rows["group"], rows["digest"], strict=True)]
    if (rows["group"] != "").any():
        grouped = sorted(set(rows["group"]) - {""})
        node = {name: number for number, name in enumerate([*(f"group {group}" for group in grouped), *set(rows["digest"])])}
        edges = [node[name] for name in names], [node[digest] for digest in rows["digest"]]
        _, parts = connected_components(coo_array((np.ones(len(names), bool), edges), shape=(len(node), len(node))), directed=False)
        first: dict[int, str] = {}
        for name, part in zip(node, parts.tolist(), strict=True):
            first.setdefault(part, name)
        names = [first[parts[node[name]]] for name in names]
    return pd.Series(names, index=rows.index, dtype=object)


def by_class(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return class name -> the unit of each of its images. Not by pandas, whose indexes refuse names that are not Unicode."""
    found: dict[str, list[str]] = {}
    for label, unit in zip(rows["label"], units(rows), strict=True):
        found.setdefault(label, []).append(unit)
    return found


def distinct(manifest: pd.DataFrame) -> dict[str, int]:
    """Return class name -> number of different units of its used images."""
    return {label: len(set(members)) for label, members in by_class(manifests.used(manifest)).items()}


def skip(manifest: pd.DataFrame, reasons: dict[int, str]) -> pd.DataFrame:
    """Return the manifest with the rows of these index labels marked as skipped."""
    if not reasons:
        return manifest.copy()
    which = manifest.index.isin(list(reasons))
    told = [reasons.get(index, reason) for index, reason in zip(manifest.index, manifest["reason"], strict=True)]
    columns = {
        "status": manifest["status"].mask(which, "skipped"),
        "reason": pd.Series(told, manifest.index, dtype=object),
        "split": manifest["split"].mask(which, ""),
    }
    return manifest.assign(**columns)


def position(unit: str, seed: int) -> float:
    """Return a number in [0, 1), uniform over units, that depends only on unit and seed."""
    mixed = hashlib.sha256(f"split/{seed}/{unit}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(mixed[:8], "big") / 2**64


def assign(members_of: dict[str, list[str]], validation: float, test: float, seed: int) -> dict[str, str]:
    """Return unit -> `train`, `validation` or `test`."""
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
        # Units in several classes are moved last: another class may need them where they are.
        nearest = min(spare, key=lambda unit: (classes[unit] > 1, abs(where[unit] - upper[missing]), unit))
        chosen[nearest] = missing


def divide(manifest: pd.DataFrame, config: DataConfig, seed: int, ready_made: bool = False) -> pd.DataFrame:
    """Return the manifest with the split of each used file."""
    if ready_made:
        manifest = _without_leaks(manifest)
    if config.min_per_class is not None:
        manifest = leave_out_small(manifest, config.min_per_class)
    require_classes(manifest, every_folder=config.min_per_class is None)
    if ready_made:
        return require_splits(_carved(_placed(manifest, config, seed), config, seed))
    usable = manifests.used(manifest)
    chosen = assign(by_class(usable), config.validation, config.test, seed)
    split = pd.Series("", manifest.index, dtype=object)
    split[usable.index] = [chosen[unit] for unit in units(usable)]
    return manifest.assign(split=split)


def _carved(manifest: pd.DataFrame, config: DataConfig, seed: int) -> pd.DataFrame:
    """Take splits that the source does not define from its training images."""
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
    carved = pd.Series([chosen[unit] for unit in units(training)], training.index, dtype=object)
    manifest.loc[training.index, "split"] = carved.where(carved.isin(lacking), "train")
    return manifest


def _placed(manifest: pd.DataFrame, config: DataConfig, seed: int) -> pd.DataFrame:
    """Assign images without a split to the split of their unit, or else to one by the hash of the unit."""
    usable = manifests.used(manifest)
    unit = units(usable)
    known: dict[str, str] = {}
    for split in manifests.SPLITS:  # the last one, test, wins if a unit is in several
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
    return skip(manifest, reasons)
