"""The images with which an export is verified: of every kind there is, of each class, the same ones in any order."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.exporters.formats import run_images

KIND = ["format", "traits", "status", "value_range"]

kinds = st.tuples(
    st.sampled_from(["JPEG", "PNG", "TIFF"]), st.sampled_from(["", "alpha", "rotated cmyk"]), st.sampled_from(["used", "transcoded"]),
    st.sampled_from(["", "0 to 4095", "dtype"]),
)  # fmt: skip
images = st.lists(st.tuples(kinds, st.sampled_from("abcde"), st.binary(min_size=2, max_size=2)), min_size=1, max_size=60)


def manifest(found: list[tuple[tuple[str, ...], str, bytes]]) -> pd.DataFrame:
    """Return rows of a manifest; some images are exact duplicates."""
    rows = [(f"{number}.png", label, digest.hex(), *kind) for number, (kind, label, digest) in enumerate(found)]
    return pd.DataFrame(rows, columns=["path", "label", "digest", *KIND], dtype=object)


def chosen(rows: pd.DataFrame, most: int | None) -> pd.DataFrame:
    """Return the rows that are chosen, in their order."""
    return rows.iloc[run_images.sample(rows, most)]


@given(found=images, most=st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_each_kind_of_file_is_there_as_far_as_it_goes_and_each_image_once(
    found: list[tuple[tuple[str, ...], str, bytes]], most: int
) -> None:
    rows = manifest(found)
    some = chosen(rows, most)
    assert len(some) == min(most, len(rows)) and some["path"].is_unique
    every = len(rows[KIND].drop_duplicates())
    assert len(some[KIND].drop_duplicates()) == min(most, every)
    if len(rows) > most:
        assert len(some.head(every)[KIND].drop_duplicates()) == min(most, every), "the kinds come first: those that are also tried alone"


@given(found=images, most=st.integers(1, 40), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_the_same_images_are_chosen_whatever_the_order_of_the_rows(
    found: list[tuple[tuple[str, ...], str, bytes]], most: int, seed: int
) -> None:
    rows = manifest(found)
    other = rows.iloc[np.random.default_rng(seed).permutation(len(rows))]
    if len(rows) > most:
        assert list(chosen(other, most)["path"]) == list(chosen(rows, most)["path"])
    assert set(chosen(other, most)["path"]) == set(chosen(rows, most)["path"])


@given(labels=st.lists(st.sampled_from("abcde"), min_size=1, max_size=60), most=st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_of_one_kind_the_classes_are_taken_in_turn(labels: list[str], most: int) -> None:
    rows = manifest([(("PNG", "", "used", ""), label, bytes([number, 0])) for number, label in enumerate(labels)])
    taken, all_of = chosen(rows, most)["label"].value_counts(), rows["label"].value_counts()
    with_more = [taken.get(label, 0) for label in all_of.index if taken.get(label, 0) < all_of[label]]
    assert not with_more or max(taken) <= min(with_more) + 1


def test_all_are_taken_in_their_order_where_no_number_is_given_or_there_are_few() -> None:
    rows = manifest([(("PNG", "", "used", ""), "a", bytes([9 - number, 0])) for number in range(5)])
    assert run_images.sample(rows, None).tolist() == run_images.sample(rows, 5).tolist() == [0, 1, 2, 3, 4]
    assert run_images.sample(rows, 2).tolist() == [4, 3]
    assert run_images.sample(rows.head(0), 64).tolist() == []


def test_the_most_frequent_kinds_come_first() -> None:
    rows = manifest([((name, "", "used", ""), "a", bytes([number, 0])) for number, name in enumerate(["GIF", "PNG", "BMP", "PNG", "JPEG"])])
    assert chosen(rows, 1)["format"].tolist() == ["PNG"]
