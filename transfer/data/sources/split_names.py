"""Names that people give to splits: `train`, `Training Set`, `test_2`, `flowers-val`, `trainval`, `TestData`, ..."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

WORDS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation", "eval": "validation",
    "evaluation": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""Words for splits, in lower case -> the name used here."""

_THINGS = "set|sets|data|dataset|image|images|img|imgs|photo|photos|picture|pictures|pics|folder|dir|split|part"
_PLAIN = frozenset((*_THINGS.split("|"), "my", "the", "of"))
_COMPOUND = re.compile(f"({'|'.join(sorted(WORDS, key=len, reverse=True))})({_THINGS})?")


class SplitName(NamedTuple):
    """What the name of a folder says of a split.

    Attributes:
        split: train, validation or test; empty: nothing.
        rest: its other words: (`flowers`,) for `flowers_train_2`. Numbers, and words that say nothing, such as `set`, are left out.
    """

    split: str = ""
    rest: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def split_name(name: str) -> SplitName:
    """Return the split that a name announces, and its other words.

    The name is divided into words at `-`, `_`, spaces, other marks, digits, and where a capital follows a small letter. One
    of the words must be a word for a split, alone or with `set`, `data` or the like after it (`testset`): `trains`, `contest`
    and `validators` are none. Training and validation together (`train_val`) is what validation images are taken from:
    training. A name for the test split and another one is neither.
    """
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", name)))
    splits, rest = set(), []
    for word in (word.casefold() for word in words):
        found = _COMPOUND.fullmatch(word)
        if word == "trainval":
            splits |= {"train", "validation"}
        elif found:
            splits.add(WORDS[found[1]])
        elif word not in _PLAIN:
            rest.append(word)
    if splits == {"train", "validation"}:
        splits = {"train"}
    return SplitName(splits.pop(), tuple(rest)) if len(splits) == 1 else SplitName()


def split_of(name: str) -> str:
    """Return the split that a whole name stands for: of a column's cell, or of a data set's split. Empty: none."""
    found = split_name(name)
    return "" if found.rest else found.split
