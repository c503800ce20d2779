"""What must not be divided between splits: copies of an image, and all images of one group."""

import pandas as pd

from transfer.data import dataset as manifests


def units(rows: pd.DataFrame) -> pd.Series:
    """Return the name of each row's unit: the digest of its image, or the name of its group.

    Copies of one image that stand in several groups join these groups to one unit, called like the first of them.

    Args:
        rows: used rows of a manifest.

    Returns:
        Names, with the index of `rows`.
    """
    names = [f"group {group}" if group else digest for group, digest in zip(rows["group"], rows["digest"], strict=True)]
    parent: dict[str, str] = {}

    def first(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for name, digest in zip(names, rows["digest"], strict=True):
        one, other = sorted((first(name), first(digest)), key=lambda item: (not item.startswith("group "), item))
        parent[other] = one
    return pd.Series([first(name) for name in names], index=rows.index, dtype=object)


def by_class(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return class name -> units of its images, one for each. Not by pandas, whose indexes refuse file names that are no Unicode."""
    found: dict[str, list[str]] = {}
    for label, unit in zip(rows["label"], units(rows), strict=True):
        found.setdefault(label, []).append(unit)
    return found


def distinct(manifest: pd.DataFrame) -> dict[str, int]:
    """Return class name -> number of different units among its used images."""
    return {label: len(set(members)) for label, members in by_class(manifests.used(manifest)).items()}
