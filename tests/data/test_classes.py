"""What is said of the classes before training."""

import unicodedata
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.data.test_splits import plain, table
from transfer.data import dataset as manifests
from transfer.data.classes import describe_absent, describe_balance, require_classes, require_unlike
from transfer.errors import DataError


def test_classes_are_shown_with_their_images_the_largest_first() -> None:
    manifest = manifests.skip(table(plain({"a": 3, "b": 5, "c": 4})), {0: "empty file"})
    assert describe_balance(manifest, "none") == "11 images in 3 classes: b 5, c 4, a 2"


def test_of_many_classes_the_largest_and_the_smallest_are_shown() -> None:
    rows = [(f"class {number}", f"{number}/{index}", "") for number in range(40) for index in range(number + 20)]
    said = describe_balance(table(rows), "none")
    assert said.startswith("1,580 images in 40 classes: class 39 59, ")
    assert said.endswith("class 1 21, class 0 20")
    assert "... 28 more ..." in said


def test_classes_that_a_split_lacks_are_told() -> None:
    rows = [(label, f"{label}/{split}", split) for label in "abc" for split in ("train", "test")] + [("a", "a/v", "validation")]
    splits = pd.Series([split for _, _, split in rows], dtype=object)
    said = describe_balance(table(rows).assign(split=splits), "none").splitlines()
    assert said[1:] == ["The validation split has no image of 'b', 'c': its figures say nothing of these classes."]
    assert describe_absent("test", [str(number) for number in range(10)]).startswith("The test split has no image of '0', ")
    assert " and 2 more: " in describe_absent("test", [str(number) for number in range(10)])


@pytest.mark.parametrize(
    ("counts", "weights", "advised"), [((30, 3), "none", True), ((30, 3), "balanced", False), ((29, 3), "none", False)]
)
def test_balanced_weights_are_advised_where_one_class_has_ten_times_the_images(
    counts: tuple[int, int], weights: str, advised: bool
) -> None:
    said = describe_balance(table(plain(dict(zip("ab", counts, strict=True)))), weights)
    assert ("training.class_weights=balanced" in said) is advised


CHANGES: list[Callable[[str], str]] = [
    str.upper, lambda text: f" {text}\u200b", lambda text: "\u00a0".join(text) + "\u00a0", lambda text: unicodedata.normalize("NFD", text),
]  # fmt: skip


@given(st.text(st.sampled_from("abz1\u00e9\u00fc\u00df\u00f1\u0416\u03bb\u4e2d\ud55c"), min_size=1, max_size=6), st.sampled_from(CHANGES))
def test_a_name_and_what_looks_like_it_are_refused_with_their_places(name: str, change: Callable[[str], str]) -> None:
    other = change(name)
    assume(other != name)
    with pytest.raises(DataError, match="Two classes differ only by case or white space") as error:
        require_unlike({"other": "row 2", name: "row 3", other: "row 4"}, "x.csv")
    assert f"{name!r} in row 3 and {other!r} in row 4 of 'x.csv'" in str(error.value)


@pytest.mark.parametrize("names", [("cat", "cats"), ("e", "\u00e9"), ("a-b", "ab"), ("1", "01"), ("\u200d", " "), ("", " ")])
def test_names_that_a_person_can_tell_apart_are_different(names: tuple[str, str]) -> None:
    require_unlike(dict.fromkeys(names, "row"), "x.csv")


LONG = "a plant that somebody described " * 20


def test_very_long_names_are_shortened_in_every_message() -> None:
    for counts in ({LONG + "1": 5, LONG + "2\x1b": 4}, {LONG + "1": 5, LONG + "2": 1}, {LONG + "1": 5}, {LONG + "\n1": 5, LONG + "2": 5}):
        rows = table(plain(counts))
        said = describe_balance(rows, "none")
        try:
            require_classes(rows)
        except DataError as error:
            said += str(error)
        assert "a plant that somebody described a plant" not in said and "a plant that" in said and "..." in said
        assert len(said) < 900 and "\x1b" not in said
