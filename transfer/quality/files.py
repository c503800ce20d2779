"""Facts of the files: kinds of peculiar files and what is done with them, formats, sizes, classes, exact duplicates."""

from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from transfer.data import dataset as manifests
from transfer.data.decoding.to_8_bits import range_of, type_range
from transfer.quality.findings import COLUMNS

_SKIPPED = {
    "damaged": "truncated or broken",
    "cannot be decoded": "truncated or broken",
    "cannot be read": "unreadable",
    "empty file": "empty",
    "too large": "oversized",
    "folder": "skipped folder",
    "class left out": "in a class that was left out",
}
"""Beginning of a reason -> name of its kind. Other reasons name themselves."""

_TRAITS = {
    "mislabelled": ("mislabelled type", "used: the format is read from the bytes, not from the name"),
    "animated": ("animated", "used: the first frame"),
    "alpha": ("with transparency", "used: on white"),
    "cmyk": ("CMYK", "used: converted to RGB"),
    "rotated": ("EXIF-rotated", "used: rotated upright"),
}
_TRANSCODED = ("not read by TensorFlow", "used: converted to a PNG in the cache")
_TINY = ("tiny", "used, enlarged: little detail is left")
_BLANK = ("blank", "used, but of no value for training: better excluded")
_NOT_USED = "not used"
_AS_MEANT = {
    "excluded in": "not used, as the table says",
    "excluded by": "not used, as asked",
    "class left out": "not used, as asked",
    "folder left out": "not used: beside the splits",
} | dict.fromkeys(("hidden file", "hidden folder", "system file", "system folder"), "not used, as usual")
"""Beginning of a reason -> treatment of files that were left out on purpose: they are no fault of the data."""


def peculiar(manifest: pd.DataFrame, thumbnails: Mapping[str, np.ndarray], tiny: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """List the peculiar files by kind.

    Args:
        manifest: all files.
        thumbnails: digest -> uint8 [s, s, 3].
        tiny: images with a shorter side than this, in pixels, are tiny.

    Returns:
        The tables `kinds` and `files` of `Findings`.
    """
    found: dict[tuple[str, str], list[list[str]]] = {}

    def add(kind: tuple[str, str], row: tuple, detail: str = "") -> None:
        found.setdefault(kind, []).append([kind[0], row.path, row.label, row.split, detail])  # type: ignore[attr-defined]

    blank = _blank(thumbnails)
    for row in manifest.itertuples(index=False):
        if row.reason:
            start, _, rest = row.reason.partition(": ")
            add((_SKIPPED.get(start, start), _treatment(start)), row, rest)
            continue
        for trait in row.traits.split():
            named = PurePosixPath(row.path).suffix.lstrip(".")
            kind = _TRAITS[trait] if trait in _TRAITS else (f"{trait} samples", _scaled(trait, row.value_range))
            add(kind, row, f"is {row.format}, called .{named}" if trait == "mislabelled" else "")
        if row.status == "transcoded":
            add(_TRANSCODED, row, row.format)
        if min(row.width, row.height) < tiny:
            add(_TINY, row, f"{row.width} x {row.height} pixels")
        if row.digest in blank:
            add(_BLANK, row)
    ordered = sorted(found.items(), key=lambda item: (not item[0][1].startswith(_NOT_USED), -len(item[1]), item[0]))
    kinds = [[kind, len(rows), treatment] for (kind, treatment), rows in ordered]
    files = [row for _, rows in ordered for row in rows]
    return (
        pd.DataFrame(kinds, columns=COLUMNS["kinds"], dtype=object),
        pd.DataFrame(files, columns=COLUMNS["files"], dtype=object),
    )


def _scaled(dtype: str, value_range: str) -> str:
    """Say what becomes of samples of more than 8 bits."""
    chosen = range_of(value_range)
    if chosen is None:
        return "used: reduced to 8 bits"
    (low, high), (least, most) = chosen, type_range(dtype)
    inside = least <= low and high <= most + 1
    part = f", {100 * (high - low) / (most - least):.2g} % of their type's range," if inside else ""
    return f"used: values {low:g} to {high:g}{part} become 0 to 255 (data.value_range)"


def _treatment(reason: str) -> str:
    return next((said for start, said in _AS_MEANT.items() if reason.startswith(start)), _NOT_USED)


def _blank(thumbnails: Mapping[str, np.ndarray], block: int = 1024) -> set[str]:
    """Return the digests of images of one colour."""
    digests, blank = list(thumbnails), set[str]()
    for start in range(0, len(digests), block):
        part = digests[start : start + block]
        pixels = np.stack([thumbnails[digest] for digest in part])
        spans = (pixels.max(axis=(1, 2)) - pixels.min(axis=(1, 2))).max(axis=1)
        blank.update(digest for digest, span in zip(part, spans, strict=True) if span <= 1)
    return blank


def formats(usable: pd.DataFrame) -> pd.DataFrame:
    """Return the number of used images of each format."""
    counts = usable["format"].value_counts()
    return pd.DataFrame({"format": counts.index, "images": counts.to_numpy()}, columns=COLUMNS["formats"], dtype=object)


def sizes(usable: pd.DataFrame) -> pd.DataFrame:
    """Return smallest, median and largest width, height and megapixels of the used images."""
    if usable.empty:
        return pd.DataFrame(columns=COLUMNS["sizes"], dtype=object)
    measures = {"width": usable["width"], "height": usable["height"], "megapixels": usable["width"] * usable["height"] / 1e6}
    rows = [[name, float(values.min()), float(values.median()), float(values.max())] for name, values in measures.items()]
    return pd.DataFrame(rows, columns=COLUMNS["sizes"], dtype=object)


def classes(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the used images of each class, their share and their splits, the largest class first."""
    usable = manifests.used(manifest)
    rows = []
    for label in dict.fromkeys(manifest.loc[manifest["label"] != "", "label"]):
        splits = list(usable.loc[usable["label"] == label, "split"])
        rows.append([label, len(splits), len(splits) / max(len(usable), 1), *(splits.count(name) for name in manifests.SPLITS)])
    rows.sort(key=lambda row: (-row[1], row[0]))
    return pd.DataFrame(rows, columns=COLUMNS["classes"], dtype=object)


def duplicates(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the sets of files with the same bytes, those found in several classes first, then the largest."""
    images = manifest[(manifest["digest"] != "") & ((manifest["reason"] == "") | manifest["reason"].str.startswith("the same image"))]
    sets: dict[str, list[tuple]] = {}
    for row in images.itertuples(index=False):
        sets.setdefault(row.digest, []).append(row)
    repeated = [rows for rows in sets.values() if len(rows) > 1]
    repeated.sort(key=lambda rows: (len({row.label for row in rows}) == 1, -len(rows), rows[0].path))  # type: ignore[attr-defined]
    table = [
        [number, row.path, row.label, row.split, len({other.label for other in rows}) > 1]  # type: ignore[attr-defined]
        for number, rows in enumerate(repeated)
        for row in rows
    ]
    return pd.DataFrame(table, columns=COLUMNS["duplicates"], dtype=object)
