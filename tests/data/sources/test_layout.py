"""Layouts: a rule on the names of folders alone. Splits are never missed in their usual form, and classes never become splits."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from transfer.config import build, parse_assignment
from transfer.data.sources import layout
from transfer.data.sources.layout import Folders
from transfer.data.sources.split_names import WORDS, split_name, split_of
from transfer.errors import DataError

WORD = st.text(st.sampled_from("abcdefgqz"), min_size=2, max_size=8).filter(lambda word: word not in WORDS and not split_name(word).split)
CLASSES = st.lists(WORD, min_size=2, max_size=5, unique=True)
JOIN = st.sampled_from("-_ ")
CASE = st.sampled_from([str.lower, str.upper, str.title])
SPOILERS = ["trains", "testudo", "validators", "contest", "train station", "test tube", "devil", "evaluator", "protest", "dev board"]


@st.composite
def called(draw: st.DrawFn, word: str) -> str:
    """Return a name that people give to a split."""
    parts = [
        *draw(st.sampled_from([[], ["my"], ["the"], ["2"]])),
        word,
        *draw(st.sampled_from([[], ["set"], ["data"], ["2017"], ["images"]])),
    ]
    return draw(CASE)(draw(JOIN).join(parts))


def of(files: dict[str, int], setting: object = "auto") -> layout.Layout:
    return layout.of(Folders(files), setting, "DATA")  # type: ignore[arg-type]


def below(tops: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    return {f"{top}/{label}": 3 for top in tops for label in labels}


@pytest.mark.parametrize(
    ("name", "split", "rest"),
    [
        ("train", "train", ()),
        ("TRAINING_SET", "train", ()),
        ("trainval", "train", ()),
        ("train-val", "train", ()),
        ("TrainSet", "train", ()),
        ("testData2", "test", ()),
        ("my-train", "train", ()),
        ("flowers_valid", "validation", ("flowers",)),
        ("devset", "validation", ()),
        ("\uff34\uff25\uff33\uff34", "test", ()),
        ("train station", "train", ("station",)),
        ("train_test", "", ()),
        ("val/test", "", ()),
        *((name, "", ()) for name in ("trains", "testudo", "validators", "contest", "restraining", "devil", "", "1", "-", "set")),
    ],
)
def test_the_words_of_a_name_say_whether_it_is_one_of_a_split(name: str, split: str, rest: tuple[str, ...]) -> None:
    assert split_name(name) == (split, rest)


def test_a_whole_name_is_a_split_only_without_other_words() -> None:
    assert [split_of(name) for name in ("Training Set", "dev", "train station", "tset", "")] == ["train", "validation", "", "", ""]


@given(st.data(), CLASSES)
@settings(max_examples=100, deadline=None)
def test_the_usual_names_of_splits_are_recognised(data: st.DataObject, labels: list[str]) -> None:
    words = data.draw(st.lists(st.sampled_from(sorted(WORDS)), min_size=2, max_size=4, unique=True))
    assume({"train"} < {WORDS[word] for word in words})
    names = {data.draw(called(word)): WORDS[word] for word in words}
    extra = data.draw(WORD)
    found = of(below(list(names), labels) | {extra: 2})
    assert found.splits == names and found.left_out == {extra: 2}


@given(st.data(), CLASSES, WORD)
@settings(max_examples=50, deadline=None)
def test_a_common_word_in_the_names_of_splits_does_not_matter(data: st.DataObject, labels: list[str], word: str) -> None:
    join, first = data.draw(JOIN), data.draw(st.booleans())
    names = {join.join((word, split) if first else (split, word)): split for split in ("train", "test")}
    assert of(below(list(names), labels)).splits == names


@given(
    st.lists(st.one_of(WORD, st.sampled_from(SPOILERS)), min_size=3, max_size=8, unique=True),
    st.sampled_from(["flat", "alike", "own", "some"]),
)
@settings(max_examples=200, deadline=None)
def test_classes_never_become_splits(names: list[str], kind: str) -> None:
    """Not even where some are called like splits and hold folders; where all hold the same, the layout is refused."""
    assume(any(not split_name(name).split for name in names))
    files = {
        "flat": dict.fromkeys(names, 3),
        "alike": below(names, ["day", "night"]),
        "own": {f"{name}/{name} {number}": 3 for name in names for number in "ab"},
        "some": {f"{name}/{name} {number}" if place % 2 else name: 3 for place, name in enumerate(names) for number in "ab"},
    }[kind]
    try:
        assert of(files) == layout.Layout() and kind != "alike"
    except DataError as error:
        assert kind == "alike" and "--set data.split_folders=off" in str(error)
        assert of(files, "off") == layout.Layout()


@given(st.lists(WORD, min_size=2, max_size=5, unique=True), CLASSES)
@settings(max_examples=50, deadline=None)
def test_other_folders_with_the_same_folders_are_refused_with_a_setting_that_is_accepted(names: list[str], labels: list[str]) -> None:
    files = below(names, labels)
    with pytest.raises(DataError, match="hold the same folders") as error:
        of(files)
    option = str(error.value).split("for example --set ")[1].split("; if they")[0].strip("'")
    given = build([parse_assignment(option)]).data.split_folders
    found = of(files, given)
    assert set(found.splits) == set(names) and {"train", "test"} <= set(found.splits.values())


@pytest.mark.parametrize(
    "files",
    [
        {"cats/images": 3, "dogs/images": 3, "fish/images": 3},
        {"cats": 9, "cats/a": 1, "cats/b": 1, "dogs": 9, "dogs/a": 1, "dogs/b": 1},
        {"car/front": 3, "car/back": 3, "bus/front": 3, "bus/back": 3, "ship": 3, "plane": 3, "cab": 3},
        {"cats/a": 3, "cats/b": 3, "dogs/c": 3, "dogs/d": 3},
        {"train station/day": 3, "train station/night": 3, "test track": 3, "airport": 3},
        {"train": 3, "test": 3, "cooking": 3},
    ],
    ids=["one folder in each", "few images below", "few classes divided", "different folders", "stations", "classes called like splits"],
)
def test_what_can_only_be_classes_is_accepted(files: dict[str, int]) -> None:
    assert of(files) == layout.Layout()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": 3, "test1": 3}, "are called like splits, but hold no class folders"),
        (below(["val", "test"], "ab"), r"example --set 'data\.split_folders=\{train: val, test: test\}'"),
        (below(["flowers_train"], "ab") | {"test": 3}, r"example --set 'data\.split_folders=\{train: flowers_train, test: test\}'"),
        (below(["cats", "dogs"], ["train", "test"]), "hold folders that are called like splits. Expected DATA/<split>/<class>"),
        (below(["train station", "test track", "airport"], ["day", "night"]), "hold the same folders .day, night."),
        (below(["train/images", "test/images"], "ab"), r"data\.split_folders=\{train: train/images, test: test/images\}"),
    ],
)
def test_what_could_be_both_is_refused(files: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        of(files)


def test_in_doubt_the_class_folders_decide() -> None:
    assert of(below(["flowers_train", "test"], "ab")).splits == {"flowers_train": "train", "test": "test"}
    assert of(below(["train"], "ab") | {"test": 5}).splits == {"train": "train", "test": "test"}, "unlabelled test images"


def test_nothing_is_concluded_from_folders_that_cannot_be_read() -> None:
    assert layout.of(Folders({"train": 0, "test/a": 3, "test/b": 3}, ["train"]), "auto", "DATA") == layout.Layout()
    assert layout.of(Folders(below(["train", "val"], "ab") | {"test": 0}, ["test"]), "auto", "DATA").splits["test"] == "test"
