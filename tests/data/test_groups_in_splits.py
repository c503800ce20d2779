"""Groups: what must not be divided between splits."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.test_splits import CONFIG, SEEDS, digest_of, plain, table
from transfer.data.groups import units
from transfer.data.splits import divide, position
from transfer.errors import DataError


def grouped(rows: list[tuple[str, str, str]], groups: list[str]) -> pd.DataFrame:
    return table(rows).assign(group=pd.Series(groups, dtype=object))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12), st.sampled_from(["", "x", "y", "z"])), max_size=30), SEEDS)
@settings(max_examples=80, deadline=None)
def test_neither_duplicates_nor_groups_are_divided(more: list[tuple[str, int, str]], seed: int) -> None:
    rows = plain({"a": 6, "b": 6}) + [(label, digest_of(number), "") for label, number, _ in more]
    manifest = grouped(rows, [""] * 12 + [group for _, _, group in more])
    divided = divide(manifest, CONFIG, seed)
    for column in ("digest", "group"):
        named = divided[divided[column] != ""]
        assert (named.groupby(column)["split"].nunique() == 1).all()


def test_an_exact_duplicate_in_two_groups_joins_them() -> None:
    rows = [("a", digest_of(number), "") for number in (1, 2, 2, 3)] + plain({"b": 4})
    found = list(units(grouped(rows, ["y", "y", "x", "x", "", "", "", ""])))
    assert found[:4] == ["group x"] * 4
    assert found[4:] == [digest for _, digest, _ in rows[4:]]


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 6), min_size=4), SEEDS)
@settings(max_examples=60, deadline=None)
def test_more_images_of_a_group_go_where_the_group_is(sizes: dict[str, int], seed: int) -> None:
    # Enough single images that no gap is ever filled by a group.
    single = plain({"a": 60, "b": 60})
    before = [("a", digest_of(10_000 + ord(name) * 100 + number), "") for name, size in sizes.items() for number in range(size)]
    groups = [name for name, size in sizes.items() for _ in range(size)]
    first = divide(grouped(single + before, [""] * 120 + groups), CONFIG, seed)
    more = [("b", digest_of(50_000 + number), "") for number in range(len(groups))]
    second = divide(grouped(single + before + more, [""] * 120 + groups + groups), CONFIG, seed)
    old, new = list(second["split"])[: len(first)], list(second["split"])[len(first) :]
    assert old == list(first["split"])
    assert new == list(first["split"])[120:]


def test_a_class_needs_three_groups() -> None:
    rows = plain({"a": 9, "b": 9})
    with pytest.raises(DataError, match=r"3 different groups of images.*Too few in: b"):
        divide(grouped(rows, [""] * 9 + ["p"] * 5 + ["q"] * 4), CONFIG, 0)


def test_a_training_image_whose_group_is_in_the_test_is_skipped_with_the_reason() -> None:
    rows = [*plain({"a": 9, "b": 9}, "train"), *plain({"a": 3, "b": 3}, "test", 100)]
    divided = divide(grouped(rows, ["p", *[""] * 17, "p", *[""] * 5]), CONFIG, 0, ready_made=True)
    assert divided.loc[0, "reason"] == "an image of the same group is in test: a/18.png"
    assert divided.loc[18, "split"] == "test"
    assert (divided.loc[1:, "reason"] == "").all()


def test_an_image_without_a_split_beside_named_ones_goes_to_its_duplicate_or_by_content() -> None:
    named = [*plain({"a": 9, "b": 9}, "train"), *plain({"a": 9, "b": 9}, "validation", 50), *plain({"a": 9, "b": 9}, "test", 100)]
    duplicates = [("a", digest, "") for _, digest, _ in (named[0], named[-1])]
    free = plain({"a": 40, "b": 40}, "", 200)
    divided = divide(table([*named, *duplicates, *free]), CONFIG, 0, ready_made=True)
    assert list(divided["split"][: len(named)]) == [split for _, _, split in named]
    assert list(divided["split"][len(named) : len(named) + 2]) == ["train", "test"]
    by_content = [position(digest, 0) for _, digest, _ in free]
    expected = ["test" if p < CONFIG.test else "validation" if p < CONFIG.test + CONFIG.validation else "train" for p in by_content]
    assert list(divided["split"][len(named) + 2 :]) == expected
