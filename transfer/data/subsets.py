"""Nested subsets of the training images: pure functions of the images' contents."""

import hashlib
from collections.abc import Mapping, Sequence

import pandas as pd

from transfer.config.comparison import ALL

Size = int | str


def ranking(digests: Sequence[str], label: str, seed: int) -> list[str]:
    """Return the distinct images of a class in the order in which a subset takes them.

    The place of an image depends on its content, its class and the seed alone: an image that is added or moved puts no
    other two in another order.
    """

    def place(digest: str) -> bytes:
        return hashlib.sha256(f"subset/{seed}/{label}/{digest}".encode("utf-8", "surrogateescape")).digest()

    return sorted(set(digests), key=lambda digest: (place(digest), digest))


def chosen(rows: pd.DataFrame, takes: Mapping[str, int], seed: int) -> pd.Series:
    """Return which rows belong to a subset, bool, with the index of `rows`.

    Args:
        rows: images of one split: `label`, `digest`. Copies of one image in a class count once and stay together.
        takes: class -> how many distinct images; a class that has fewer gives all.
        seed: of the order.
    """
    by_class: dict[str, list[str]] = {}
    for label, digest in zip(rows["label"], rows["digest"], strict=True):
        by_class.setdefault(label, []).append(digest)
    taken = {label: set(ranking(digests, label, seed)[: takes[label]]) for label, digests in by_class.items()}
    inside = [digest in taken[label] for label, digest in zip(rows["label"], rows["digest"], strict=True)]
    return pd.Series(inside, index=rows.index, dtype=bool)


def distinct(rows: pd.DataFrame) -> dict[str, int]:
    """Return class -> number of distinct images."""
    pairs = set(zip(rows["label"], rows["digest"], strict=True))
    counts: dict[str, int] = {}
    for label, _ in pairs:
        counts[label] = counts.get(label, 0) + 1
    return counts


def collapsed(sizes: Sequence[Size], most: int) -> tuple[list[Size], list[Size]]:
    """Return the sizes to run, and those that are no other than `all` because no class has so many images.

    Args:
        sizes: as in the settings, `all` last.
        most: images of the largest class.
    """
    beyond = [size for size in sizes if size != ALL and int(size) >= most]
    kept = [size for size in sizes if size not in beyond]
    if beyond and ALL not in kept:
        kept.append(ALL)
    return kept, beyond


def subset(train: pd.DataFrame, validation: pd.DataFrame, size: Size, seed: int, proportional: bool) -> pd.Index:
    """Return the index labels of the training and validation images of one run.

    Args:
        train, validation: rows of the two splits.
        size: training images a class, or `all`.
        seed: of the order in which images are taken.
        proportional: take of each class of the validation the share that the training has of its own, at least one image.
    """
    if size == ALL:
        return train.index.append(validation.index)
    present = distinct(train)
    takes = {label: min(int(size), count) for label, count in present.items()}
    kept = train.index[chosen(train, takes, seed)]
    if not proportional:
        return kept.append(validation.index)
    # Rounded up: nested, because a larger share never takes fewer.
    judged = {label: -(-count * takes.get(label, 0) // present.get(label, 1)) for label, count in distinct(validation).items()}
    judged = {label: max(1, count) for label, count in judged.items()}
    return kept.append(validation.index[chosen(validation, judged, seed)])
