"""What is said of the classes before training."""

import pytest

from tests.data.test_splits import plain, table
from transfer.data import dataset as manifests
from transfer.data.classes import describe_balance, require_classes
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


@pytest.mark.parametrize(
    ("counts", "weights", "advised"), [((30, 3), "none", True), ((30, 3), "balanced", False), ((29, 3), "none", False)]
)
def test_balanced_weights_are_advised_where_one_class_has_ten_times_the_images(
    counts: tuple[int, int], weights: str, advised: bool
) -> None:
    said = describe_balance(table(plain(dict(zip("ab", counts, strict=True)))), weights)
    assert ("training.class_weights=balanced" in said) is advised


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
