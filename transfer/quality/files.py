"""Facts of the files: kinds of peculiar files and what is done with them, formats, sizes, classes, exact duplicates."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from transfer.config import CheckConfig
from transfer.data import dataset as manifests
from transfer.data.decoding.to_8_bits import range_of, type_range
from transfer.quality.findings import COLUMNS
from transfer.quality.image_quality import BLANK, BLURRED, DARK, ODD, POOR, TINY

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
_TINY = (TINY, "used, enlarged: little detail is left")
_ODD = (ODD, "used: see data.resize for how it becomes square")
_SEEN = {
    BLANK: "used, but of no value for training: better excluded",
    DARK: "used: even its bright places are dark",
    BLURRED: "used: so blurred that it shows in a thumbnail",
    POOR: "used: nearly all of one brightness",
}
_NOT_USED = "not used"
_AS_MEANT = {
    "excluded in": "not used, as the table says",
    "excluded by": "not used, as asked",
    "class left out": "not used, as asked",
    "folder left out": "not used: beside the splits",
} | dict.fromkeys(("hidden file", "hidden folder", "system file", "system folder"), "not used, as usual")
"""Beginning of a reason -> treatment of files that were left out on purpose: they are no fault of the data."""


def peculiar(manifest: pd.DataFrame, seen: Mapping[str, Collection[str]], config: CheckConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """List the peculiar files by kind.

    Args:
        manifest: all files.
        seen: kind of `image_quality` -> digests of its images.
        config: limits of sides and their ratio.

    Returns:
        The tables `kinds` and `files` of `Findings`.
    """
    columns = {name: manifest[name].to_numpy(object) for name in ("path", "label", "split", "reason", "format", "traits", "value_range")}
    found: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]] = {}

    def add(kind: tuple[str, str], rows: np.ndarray, details: Sequence[str] | np.ndarray) -> None:
        if len(rows):
            found.setdefault(kind, []).append((rows, np.array(details, object)))

    out = columns["reason"] != ""
    skipped, used = np.flatnonzero(out), np.flatnonzero(~out)
    parts = [reason.partition(": ") for reason in columns["reason"][skipped]]
    for start, rows in _by_value(np.array([start for start, _, _ in parts], object)):
        add((_SKIPPED.get(start, start), _treatment(start)), skipped[rows], [parts[row][2] for row in rows])
    for traits, some in _by_value(columns["traits"][used]):
        for trait in traits.split():
            for value_range, rows in _by_value(columns["value_range"][used[some]]):
                named = used[some[rows]]
                kind = _TRAITS[trait] if trait in _TRAITS else (f"{trait} samples", _scaled(trait, value_range))
                add(kind, named, _misnamed(columns, named) if trait == "mislabelled" else [""] * len(named))
    transcoded = used[manifest["status"].to_numpy(object)[used] == "transcoded"]
    add(_TRANSCODED, transcoded, columns["format"][transcoded])
    width, height = (manifest[name].to_numpy(object)[used].astype(np.int64) for name in ("width", "height"))
    small = np.minimum(width, height) < config.tiny
    add(_TINY, used[small], _sides(width[small], height[small]))
    long = np.minimum(width, height) < config.aspect_ratio * np.maximum(width, height)
    add(_ODD, used[long], _sides(width[long], height[long]))
    for shown, digests in seen.items():
        poor = used[manifest["digest"].iloc[used].isin(digests).to_numpy(bool)]
        add((shown, _SEEN[shown]), poor, [""] * len(poor))
    ordered = []
    for (name, treatment), of_each in found.items():
        rows, details = (np.concatenate(column) for column in zip(*of_each, strict=True))
        order = np.argsort(rows, kind="stable")
        facts = [columns[column][rows[order]] for column in ("path", "label", "split")]
        of_kind = np.column_stack([np.full(len(rows), name, object), *facts, details[order]])
        ordered.append((not treatment.startswith(_NOT_USED), -len(rows), name, treatment, of_kind))
    ordered.sort(key=lambda kind: kind[:4])
    kinds = [[name, -count, treatment] for _, count, name, treatment, _ in ordered]
    return (
        pd.DataFrame(kinds, columns=COLUMNS["kinds"], dtype=object),
        pd.DataFrame(np.concatenate([np.empty((0, 5), object), *(kind[4] for kind in ordered)]), columns=COLUMNS["files"], dtype=object),
    )


def _by_value(values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each different text with its positions."""
    numbers, texts = pd.factorize(values)
    order = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers, minlength=len(texts)))
    yield from zip(texts, np.split(order, ends)[:-1], strict=True)


def _misnamed(columns: Mapping[str, np.ndarray], rows: np.ndarray) -> list[str]:
    named = zip(columns["format"][rows], columns["path"][rows], strict=True)
    return [f"is {format}, called .{PurePosixPath(path).suffix.lstrip('.')}" for format, path in named]


def _sides(width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Name the sides of images in pixels; most have those of many others."""
    numbers, sides = pd.factorize((width << 32) + height)
    return np.array([f"{both >> 32} x {both & 0xFFFFFFFF} pixels" for both in sides.tolist()], object)[numbers]


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
    labels = manifest["label"].to_numpy(object)
    names = pd.unique(labels[labels != ""])
    of_each = pd.factorize(np.r_[names, usable["label"].to_numpy(object)])[0][len(names) :]  # the names come first, so these are theirs
    splits = usable["split"].to_numpy(object)
    images, *counts = (
        np.bincount(of_each[chosen], minlength=len(names)).tolist()
        for chosen in (slice(None), *(splits == split for split in manifests.SPLITS))
    )
    rows = [[label, count, count / max(len(usable), 1), *each] for label, count, *each in zip(names, images, *counts, strict=True)]
    rows.sort(key=lambda row: (-row[1], row[0]))
    return pd.DataFrame(rows, columns=COLUMNS["classes"], dtype=object)


def duplicates(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the sets of files with the same bytes, those found in several classes first, then the largest."""
    images = manifest[(manifest["digest"] != "") & ((manifest["reason"] == "") | manifest["reason"].str.startswith("the same image"))]
    images = images[images["digest"].duplicated(keep=False)]
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
