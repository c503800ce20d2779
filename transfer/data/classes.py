"""Which classes there are, and whether each has enough images."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from glob import escape

import pandas as pd

from transfer.config import option
from transfer.data import dataset as manifests
from transfer.data.groups import distinct
from transfer.errors import DataError
from transfer.system.names import printable, shortened

MINIMUM = 3
"""Different images (or groups of images) that a class needs: one for each split."""

_LEFT_OUT = "class left out"
_SHOWN = 12
_LISTED = 40  # classes named in an error, at most
_LONGEST = 40  # columns of the name of a class in a message
_IMBALANCED = 10


def require_unlike(places: Mapping[str, str], source: str) -> None:
    """Check that no two classes look the same to a person: only case, white space, or how characters are encoded differ.

    Args:
        places: class name -> where it was found first (`row 3`).
        source: named in the error.

    Raises:
        DataError: if two do, with their places.
    """
    first: dict[str, str] = {}
    pairs = [(other, label) for label in places if (other := first.setdefault(_look(label), label)) != label]
    if pairs:
        one, other = pairs[0]
        more = f" So do {len(pairs) - 1:,} other pairs." if len(pairs) > 1 else ""
        encoded = "" if (one + other).isascii() else f", encoded as {one!a} and {other!a}"
        raise DataError(
            "Two classes differ only by case or white space, or by how characters are encoded; write them the same way. Received "
            f"{one!r} in {places[one]} and {other!r} in {places[other]} of {source!r}{encoded}.{more}"
        )


def _look(label: str) -> str:
    """Return what a person sees of a name, in one case: composed characters, without white space and invisible ones."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    return "".join(char for char in text if not char.isspace() and unicodedata.category(char) != "Cf") or label


def describe_balance(manifest: pd.DataFrame, class_weights: str) -> str:
    """Return the counts of images before training, the classes that the validation or the test split lacks, and advice if some
    classes have many times as many images as others.

    Args:
        manifest: all files.
        class_weights: the setting `training.class_weights`; `balanced` needs no advice.
    """
    usable = manifests.used(manifest)
    counts = Counter(usable["label"]).most_common()
    shown = [f"{_name(label)} {count:,}" for label, count in counts]
    if len(shown) > _SHOWN:
        half = _SHOWN // 2
        shown = [*shown[:half], f"... {len(shown) - 2 * half:,} more ...", *shown[-half:]]
    text = f"{len(usable):,} images in {len(counts):,} classes: {', '.join(shown)}"
    for split in ("validation", "test"):
        present = set(usable.loc[usable["split"] == split, "label"])
        if absent := describe_absent(split, sorted({label for label, _ in counts} - present) if present else []):
            text += f"\n{absent}"
    ratio = counts[0][1] / counts[-1][1]
    if ratio < _IMBALANCED or class_weights != "none":
        return text
    return (
        f"{text}\nThe largest class has {ratio:.0f} times as many images as the smallest; "
        "--set training.class_weights=balanced gives every class equal weight."
    )


def describe_absent(split: str, names: Sequence[str]) -> str:
    """Return the warning that a split has no image of these classes, on one line; empty where there are none."""
    if not names:
        return ""
    return f"The {split} split has no image of {few([repr(name) for name in names], 8)}: its figures say nothing of {_these(len(names))}."


def _these(count: int) -> str:
    return "this class" if count == 1 else "these classes"


def leave_out_small(manifest: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Skip the images of classes with fewer than `minimum` different images."""
    usable = manifests.used(manifest)
    small = {label for label, count in distinct(usable).items() if count < minimum}
    reason = f"{_LEFT_OUT}: fewer than {minimum} images (data.min_per_class)"
    return manifests.skip(manifest, dict.fromkeys(usable.index[usable["label"].isin(small)], reason))


def require_classes(manifest: pd.DataFrame, every_folder: bool = True) -> None:
    """Check that there are at least two classes of at least three different images each, with names on one line.

    Args:
        manifest: all files.
        every_folder: whether a class folder without a usable image is an error; otherwise it is ignored.

    Raises:
        DataError: if not, with the counts or the names.
    """
    usable = manifests.used(manifest)
    left_out = manifest[manifest["reason"].str.startswith(_LEFT_OUT)]
    if len(left_out) and usable["label"].nunique() < 2:
        sizes = Counter([*usable["label"], *left_out["label"]])
        raise DataError(
            f"A classifier needs at least 2 classes; --min-per-class (data.min_per_class) leaves {usable['label'].nunique()} of "
            f"{len(sizes)}. Received {few([f'{_name(label)} {size}' for label, size in sorted(sizes.items())])}."
        )
    if usable.empty:
        raise DataError(f"No readable image was found. {_why_skipped(manifest)}")
    rows = manifest if every_folder else usable
    labels = sorted(label for label in rows["label"].unique() if label)
    several_lines = [repr(shortened(label, _LONGEST)) for label in labels if "\n" in label or "\r" in label]
    if several_lines:
        raise DataError(f"A class name must fit on one line of labels.txt. Rename the class. Received {few(several_lines)}.")
    counts = distinct(usable)
    small = [label for label in labels if counts.get(label, 0) < MINIMUM]
    table = _counted(rows, counts)
    if len(labels) < 2:
        raise DataError(f"A classifier needs at least 2 classes: one sub-folder for each. Received {len(labels)} ({table}).")
    if small:
        what = "groups of images" if (usable["group"] != "").any() else "readable images"
        raise DataError(
            f"Each class needs at least {MINIMUM} different {what}, one for each split. Too few in: "
            f"{few([_name(label) for label in small])}. Received {table}.{_what_helps(rows)} Add images, remove the class, or leave such "
            f"classes out with --min-per-class {MINIMUM} (data.min_per_class).{_without_images(rows, small)}"
        )


def _without_images(manifest: pd.DataFrame, labels: list[str]) -> str:
    """Return how to leave out class folders without a readable image, which may be no classes; empty if there are none."""
    usable = set(manifests.used(manifest)["label"])
    folders = set()
    for label, path in zip(manifest["label"], manifest["path"], strict=True):
        if label in labels and label not in usable:
            start, found, _ = f"/{path}".partition(f"/{label}/")
            folders.add(f"{start}/{label}".lstrip("/") if found else "")
    if not folders or "" in folders:
        return ""
    which = "A folder that is no class is" if len(folders) == 1 else "Folders that are no classes are"
    return f" {which} left out with {option('data.exclude', [escape(folder) for folder in sorted(folders)])}."


def _counted(manifest: pd.DataFrame, different: dict[str, int]) -> str:
    """Return the counts of the classes on one line: `cats 12, dogs 5 (1 different)`."""
    images = Counter(manifests.used(manifest)["label"])
    labels = sorted(label for label in manifest["label"].unique() if label)
    notes = {label: f" ({different[label]} different)" for label in different if different[label] != images[label]}
    return few([f"{_name(label)} {images[label]}{notes.get(label, '')}" for label in labels])


def _name(label: str) -> str:
    return shortened(printable(label), _LONGEST)


def few(names: list[str], most: int = _LISTED) -> str:
    """Return names as a list, the first `most` of them and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def _why_skipped(manifest: pd.DataFrame) -> str:
    counts = manifests.reason_counts(manifest)
    if not counts:
        return "Expected DATA/<class>/<image>. Received a folder without files."
    listed = ", ".join(f"{count} {reason}" for reason, count in list(counts.items())[:5])
    return f"Received {len(manifest)} files: {listed}.{_what_helps(manifest)}"


def _what_helps(manifest: pd.DataFrame) -> str:
    """Return the most frequent format that is not read and what helps, as a sentence; empty if there is none."""
    start = "unsupported format: "
    formats = Counter(reason.removeprefix(start) for reason in manifest["reason"] if reason.startswith(start))
    return "".join(f" {count} of unsupported format: {words}." for words, count in formats.most_common(1))
