"""Nested subsets of the training images: pure functions of the images' content."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from transfer.config.comparison import ALL

Size = int | str


def ranking(digests: Sequence[str], label: str, seed: int) -> list[str]:
    """Return the digests of a class, each once, in the order in which subsets take them.

    The position of an image depends only on its content, its class and the seed: adding or moving an image never changes
    the order of two others.
    """

    def place(digest: str) -> bytes:
        return hashlib.sha256(f"subset/{seed}/{label}/{digest}".encode("utf-8", "surrogateescape")).digest()

    return sorted(set(digests), key=lambda digest: (place(digest), digest))


def chosen(rows: pd.DataFrame, takes: Mapping[str, int], seed: int) -> pd.Series:
    """Return which rows belong to a subset, bool, with the index of `rows`.

    Args:
        rows: images of one split: `label`, `digest`. Exact duplicates in a class count once and stay together.
        takes: class -> number of different images; a class that has fewer gives all.
        seed: of the order.
    """
    by_class: dict[str, list[str]] = {}
    for label, digest in zip(rows["label"], rows["digest"], strict=True):
        by_class.setdefault(label, []).append(digest)
    taken = {label: set(ranking(digests, label, seed)[: takes[label]]) for label, digests in by_class.items()}
    inside = [digest in taken[label] for label, digest in zip(rows["label"], rows["digest"], strict=True)]
    return pd.Series(inside, index=rows.index, dtype=bool)


def distinct(rows: pd.DataFrame) -> dict[str, int]:
    """Return class -> number of different images."""
    return Counter(label for label, _ in set(zip(rows["label"], rows["digest"], strict=True)))


def collapsed(sizes: Sequence[Size], most: int) -> tuple[list[Size], list[Size]]:
    """Return the sizes to run, and those that equal `all` because no class has more images.

    Args:
        sizes: as in the settings, `all` last.
        most: number of images of the largest class.
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
        size: training images per class, or `all`.
        seed: of the order in which images are taken.
        proportional: keep the same share of each class in validation as in training, at least one image.
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
