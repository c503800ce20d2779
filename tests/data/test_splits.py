"""Splits: which file goes where, and what is refused."""

import hashlib
import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.config import DataConfig
from transfer.data import dataset as manifests
from transfer.data import splits
from transfer.data.classes import leave_out_small, require_classes
from transfer.data.splits import divide, position
from transfer.errors import DataError

DIGESTS = st.binary(min_size=1, max_size=3).map(lambda data: hashlib.sha256(data).hexdigest())
CLASSES = st.dictionaries(st.sampled_from("abcde"), st.lists(DIGESTS, max_size=25), min_size=1)
SHARES = st.floats(0.05, 0.4)
SEEDS = st.integers(0, 2**31 - 1)
CONFIG = DataConfig()


def assign(classes: dict[str, list[str]], validation: float, test: float, seed: int) -> dict[str, str]:
    """Return the split of each content of these classes."""
    pairs = [(label, digest) for label, members in classes.items() for digest in members]
    chosen = splits.assign([label for label, _ in pairs], [digest for _, digest in pairs], validation, test, seed)
    return dict(zip([digest for _, digest in pairs], chosen, strict=True))


def apart(classes: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return classes that share no content."""
    return {label: [hashlib.sha256(f"{label}{digest}".encode()).hexdigest() for digest in members] for label, members in classes.items()}


def digest_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def table(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    """Return a manifest of used files, from (label, digest, split)."""
    made = [
        (f"{label}/{number}.png", label, split, "", "used", "", "", "", digest, 9, "PNG", 1, 1, 0)
        for number, (label, digest, split) in enumerate(rows)
    ]
    return pd.DataFrame(made, columns=manifests.COLUMNS, dtype=object)


def plain(counts: dict[str, int], split: str = "", start: int = 0) -> list[tuple[str, str, str]]:
    """Return rows of classes with so many different images."""
    return [(label, digest_of(1000 * ord(label[0]) + start + number), split) for label, count in counts.items() for number in range(count)]


@given(CLASSES, SHARES, SHARES, SEEDS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_of_files_and_classes_changes_nothing(
    classes: dict[str, list[str]], validation: float, test: float, seed: int, chance: random.Random
) -> None:
    shuffled = {label: chance.sample(classes[label], len(classes[label])) for label in chance.sample(list(classes), len(classes))}
    assert assign(shuffled, validation, test, seed) == assign(classes, validation, test, seed)


@given(CLASSES, SHARES, SHARES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_exact_duplicates_change_nothing(classes: dict[str, list[str]], validation: float, test: float, seed: int) -> None:
    doubled = {label: members * 2 for label, members in classes.items()}
    assert assign(doubled, validation, test, seed) == assign(classes, validation, test, seed)


@given(CLASSES, SHARES, SHARES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_every_content_gets_exactly_one_split(classes: dict[str, list[str]], validation: float, test: float, seed: int) -> None:
    chosen = assign(classes, validation, test, seed)
    assert set(chosen) == {digest for members in classes.values() for digest in members}
    assert set(chosen.values()) <= set(manifests.SPLITS)


@given(CLASSES, CLASSES, SHARES, SHARES, SEEDS)
@settings(max_examples=60, deadline=None)
def test_adding_files_moves_no_file_of_a_class_without_gaps(
    classes: dict[str, list[str]], more: dict[str, list[str]], validation: float, test: float, seed: int
) -> None:
    classes, more = apart(classes), apart(more)
    before = assign(classes, validation, test, seed)
    after = assign({label: classes.get(label, []) + more.get(label, []) for label in {*classes, *more}}, validation, test, seed)
    for members in classes.values():
        by_position = {digest: position(digest, seed) for digest in members}
        present = {"test" if p < test else "validation" if p < test + validation else "train" for p in by_position.values()}
        if len(present) == 3:
            assert {digest: after[digest] for digest in members} == {digest: before[digest] for digest in members}


@given(CLASSES, SHARES, SHARES, SEEDS)
@settings(max_examples=100, deadline=None)
def test_each_class_of_three_contents_has_all_three_splits(
    classes: dict[str, list[str]], validation: float, test: float, seed: int
) -> None:
    classes = apart(classes)
    chosen = assign(classes, validation, test, seed)
    for members in classes.values():
        if len(set(members)) >= 3:
            assert {chosen[digest] for digest in members} == set(manifests.SPLITS)


def test_a_content_in_several_classes_is_taken_from_no_class_that_needs_it() -> None:
    first, second = [digest_of(number) for number in range(4)], [digest_of(number) for number in range(3, 7)]
    for seed in range(1000):
        chosen = assign({"a": first, "b": second}, 0.15, 0.15, seed)
        for members in (first, second):
            assert {chosen[digest] for digest in members} == set(manifests.SPLITS)


def test_the_gap_is_filled_by_the_content_nearest_to_the_threshold() -> None:
    members = [digest for digest in map(digest_of, range(100)) if position(digest, 0) > 0.5][:5]
    chosen = assign({"a": members}, 0.15, 0.15, 0)
    nearest, second, *others = sorted(members, key=lambda digest: position(digest, 0))
    assert chosen[nearest] == "test"
    assert chosen[second] == "validation"
    assert {chosen[digest] for digest in others} == {"train"}


@pytest.mark.parametrize(("validation", "test"), [(0.15, 0.15), (0.3, 0.05), (0.05, 0.4)])
def test_shares_of_many_files_are_those_asked_for(validation: float, test: float) -> None:
    splits = list(assign({"a": [digest_of(number) for number in range(4000)]}, validation, test, 0).values())
    assert splits.count("validation") / 4000 == pytest.approx(validation, abs=0.03)
    assert splits.count("test") / 4000 == pytest.approx(test, abs=0.03)


def test_another_seed_divides_differently() -> None:
    classes = {"a": [digest_of(number) for number in range(50)]}
    assert assign(classes, 0.3, 0.3, 0) != assign(classes, 0.3, 0.3, 1)


def test_divide_gives_skipped_files_no_split_and_exact_duplicates_the_same() -> None:
    rows = plain({"a": 20, "b": 20})
    manifest = manifests.skip(table(rows + rows), {0: "damaged: x"})
    divided = divide(manifest, CONFIG, 0)
    assert divided.loc[0, "split"] == ""
    assert set(divided.loc[1:, "split"]) == set(manifests.SPLITS)
    assert divided[divided["reason"] == ""].groupby("digest")["split"].nunique().max() == 1


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"a": 9}, ["at least 2 classes", "Received 1 (a 9)"]),
        ({"a": 9, "b": 2, "c": 1}, ["at least 3 different", "Too few in: b, c", "a 9, b 2, c 1", "--min-per-class 3"]),
        ({}, ["No readable image"]),
    ],
)
def test_too_little_data_is_an_error_with_the_counts(counts: dict[str, int], words: list[str]) -> None:
    with pytest.raises(DataError) as error:
        divide(table(plain(counts)), CONFIG, 0)
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)


def test_no_readable_image_is_an_error_with_the_reasons() -> None:
    manifest = manifests.skip(table(plain({"a": 3})), {0: "damaged: x", 1: "damaged: y", 2: "empty file"})
    with pytest.raises(DataError, match="Received 3 files: 2 damaged, 1 empty file"):
        require_classes(manifest)


def test_where_a_format_is_not_read_the_error_says_what_helps() -> None:
    reason = "unsupported format: a camera raw file (DNG); to read it, pip install 'keras-transfer[raw]'"
    helps = r"2 of unsupported format: a camera raw file \(DNG\); to read it, pip install 'keras-transfer\[raw\]'\."
    manifest = table(plain({"a": 3, "b": 3}))
    with pytest.raises(DataError, match=f"Received 6 files: .*{helps}$"):
        require_classes(manifests.skip(manifest, {**dict.fromkeys(range(6), "empty file"), 0: reason, 1: reason}))
    with pytest.raises(DataError, match=f"Too few in: a. Received a 1, b 3. {helps} Add images"):
        require_classes(manifests.skip(manifest, {0: reason, 1: reason}))


def test_exact_duplicates_do_not_count_as_different_images() -> None:
    rows = [*plain({"a": 5}), *[("b", digest_of(1), "")] * 5]
    with pytest.raises(DataError, match="Too few in: b"):
        divide(table(rows), CONFIG, 0)


def test_small_classes_can_be_left_out() -> None:
    divided = divide(table(plain({"a": 9, "b": 8, "c": 4})), DataConfig(min_per_class=5), 0)
    assert manifests.class_names(divided) == ["a", "b"]
    assert set(divided.loc[divided["label"] == "c", "reason"]) == {"class left out: fewer than 5 images (data.min_per_class)"}


def test_leaving_out_counts_different_images_only() -> None:
    left = leave_out_small(table([("a", digest_of(1), "")] * 5 + plain({"b": 5})), 5)
    assert manifests.class_names(left) == ["b"]


@pytest.mark.parametrize("name", ["two\nlines", "carriage\rreturn"])
def test_a_class_name_of_several_lines_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="one line") as error:
        divide(table(plain({"a": 5, name: 5})), CONFIG, 0)
    assert repr(name) in str(error.value)
    assert not set(str(error.value)) & {"\n", "\r"}


class TestReadyMade:
    """Folders that name the splits themselves."""

    @staticmethod
    def folder(train: int = 20, validation: int = 5, test: int = 5) -> list[tuple[str, str, str]]:
        return [
            row
            for start, (split, count) in enumerate({"train": train, "validation": validation, "test": test}.items())
            for row in plain({"a": count, "b": count}, split, 100 * start)
        ]

    def test_the_splits_are_kept(self) -> None:
        manifest = table(self.folder())
        pd.testing.assert_frame_equal(divide(manifest, CONFIG, 0, ready_made=True), manifest)

    @pytest.mark.parametrize(
        ("weaker", "stronger"), [("train", "validation"), ("train", "test"), ("validation", "test")]
    )  # fmt: skip
    def test_an_image_in_two_splits_is_kept_in_the_one_that_measures(self, weaker: str, stronger: str) -> None:
        rows = [*self.folder(), ("a", digest_of(1), weaker), ("b", digest_of(1), stronger)]
        divided = divide(table(rows), CONFIG, 0, ready_made=True)
        assert divided["reason"].iloc[-2] == f"the same image is in {stronger}: b/{len(rows) - 1}.png"
        assert divided["status"].iloc[-2] == "skipped"
        assert divided["split"].iloc[-1] == stronger
        assert len(manifests.used(divided)) == len(rows) - 1

    @pytest.mark.parametrize("lacking", [("validation",), ("test",), ("validation", "test")])
    def test_splits_that_lack_are_carved_out_of_train(self, lacking: tuple[str, ...]) -> None:
        rows = self.folder(train=40, **dict.fromkeys(lacking, 0))
        divided = divide(table(rows), CONFIG, 0, ready_made=True)
        original = table(rows)["split"]
        for label in "ab":
            assert set(divided.loc[divided["label"] == label, "split"]) == set(manifests.SPLITS)
        assert (divided.loc[original != "train", "split"] == original[original != "train"]).all()
        assert set(divided.loc[original == "train", "split"]) == {"train", *lacking}

    @given(SEEDS)
    @settings(max_examples=40, deadline=None)
    def test_carving_leaves_each_class_a_training_image(self, seed: int) -> None:
        rows = [*self.folder(validation=0), *plain({"c": 1, "d": 2}, "train"), *plain({"c": 4, "d": 2}, "test", 50)]
        divided = divide(table(rows), DataConfig(validation=0.45), seed, ready_made=True)
        training = divided[divided["split"] == "train"]
        assert set(training["label"]) == {"a", "b", "c", "d"}

    def test_a_class_without_training_images_is_an_error(self) -> None:
        with pytest.raises(DataError, match=r"Each class needs images in train. Received none for new"):
            divide(table([*self.folder(), *plain({"new": 5}, "test")]), CONFIG, 0, ready_made=True)
