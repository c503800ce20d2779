"""What a TFDS data set holds: which feature is the image, which is the class, and what its splits are used for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transfer.data.sources.split_names import WORDS
from transfer.errors import DataError

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

_LISTED = 8  # features that an error shows, at most


@dataclass(frozen=True)
class Task:
    """The features of the image and of the class, and the names of the classes (None: the numbers are the names)."""

    image: str
    label: str
    names: Sequence[str] | None

    def class_name(self, number: int) -> str:
        """Return the name of a class; empty for a number that is no class, such as the -1 of unlabelled images."""
        if number < 0 or (self.names is not None and number >= len(self.names)):
            return ""
        return str(number) if self.names is None else self.names[number]


def task_of(builder: "DatasetBuilder") -> Task:
    """Return the features of the image and of the class: `supervised_keys`, else the only image and the only class label.

    Raises:
        DataError: if the set does not hold one encoded image with one class in each example.
    """
    features = builder.info.features
    listed = dict(sorted(features.items())) if hasattr(features, "items") else {}
    keys = builder.info.supervised_keys
    if keys is None:
        images, labels = [_of_type(listed, "Image"), _of_type(listed, "ClassLabel")]
    else:
        two = len(keys) == 2 and all(isinstance(key, str) and key in listed for key in keys)
        chosen = {key: listed[key] for key in keys} if two else {}
        images, labels = _of_type(chosen, "Image"), _of_type(chosen, "ClassLabel")
    why = _why_not(listed, images, labels)
    if why:
        shown = ", ".join(f"{key} ({type(feature).__name__})" for key, feature in list(listed.items())[:_LISTED])
        more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        supervised = "" if keys is None else f", supervised_keys {keys!r}"
        raise DataError(
            f"{builder.info.full_name} is not an image classification set: {why}. Expected one encoded image (Image) and one "
            f"class (ClassLabel) in each example. Received {shown or type(features).__name__}{more}{supervised}."
        )
    return Task(images[0], labels[0], _names(listed[labels[0]]))


def _of_type(features: Mapping[str, Any], kind: str) -> list[str]:
    from tensorflow_datasets.core import features as kinds

    # A LabeledImage is a mask of classes; it is also an Image.
    return [key for key, one in features.items() if isinstance(one, getattr(kinds, kind)) and not isinstance(one, kinds.LabeledImage)]


def _why_not(features: Mapping[str, Any], images: list[str], labels: list[str]) -> str:
    if len(images) > 1 or len(labels) > 1:
        several = images if len(images) > 1 else labels
        return f"it has several {'images' if several is images else 'labels'} ({', '.join(several)}) and does not say which to use"
    if images and labels:
        dtype = str(getattr(features[images[0]].np_dtype, "__name__", features[images[0]].np_dtype))
        return "" if dtype in ("uint8", "uint16") else f"its images hold numbers of type {dtype}"
    if not images:
        arrays = [key for key, one in features.items() if type(one).__name__ == "Tensor" and len(one.shape or ()) >= 2]
        return f"its images ({arrays[0]}) are not stored as encoded files" if arrays and labels else "it has no image to classify"
    return "its images have no class of their own"


def _names(label: Any) -> list[str] | None:
    try:
        return list(label.names)
    except TypeError:  # neither names nor a number of classes
        return None


@dataclass(frozen=True)
class Roles:
    """What the splits of a set are used for.

    Attributes:
        splits: name of a split that is used -> train, validation, test; empty: its images are divided like those of a folder.
        left_out: names of the splits that are not used.
    """

    splits: Mapping[str, str]
    left_out: Sequence[str]

    @property
    def ready_made(self) -> bool:
        """Whether the set itself has train, validation or test splits."""
        return any(self.splits.values())


def roles_of(names: Iterable[str], source: str) -> Roles:
    """Return what the splits of a set are used for.

    `train`, `validation`, `test` and their common other names (`split_names.WORDS`) are kept. Others (`unlabelled`, `extra`,
    `test_v2`) are left out: they serve another purpose, and mixing them in would change what the metrics mean. If a set has
    only one split, whatever its name, its images are divided by content.

    Raises:
        DataError: if there are several splits and none to train on.
    """
    listed = list(names)
    known = {name: WORDS[name.lower()] for name in listed if name.lower() in WORDS}
    if len(listed) == 1 or (len(known) == 1 and "train" in known.values()):
        known = dict.fromkeys(known or listed, "")
    elif "train" not in known.values():
        raise DataError(
            f"A data set of several splits needs one called train. Received {', '.join(listed) or 'no split at all'} in {source!r}."
        )
    return Roles(known, [name for name in listed if name not in known])
