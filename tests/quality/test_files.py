"""What is said of files: kinds, formats, sizes, classes, exact duplicates."""

import os

import pandas as pd
import pytest

from transfer.config import CheckConfig
from transfer.data import dataset as manifests
from transfer.quality import files
from transfer.quality.findings import Findings


def row(path: str, **facts: object) -> dict[str, object]:
    """Return a used file with a digest of its own, unless told otherwise."""
    plain = {"path": path, "label": path.split("/")[0], "split": "train", "group": "", "status": "used", "reason": "", "traits": ""}
    return plain | {"value_range": "", "digest": path, "size": 9, "format": "PNG", "width": 64, "height": 48, "ctime_ns": 0} | facts


def table(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=manifests.COLUMNS, dtype=object)


def kinds(*rows: dict[str, object], blank: tuple[str, ...] = ()) -> dict[str, tuple[int, str]]:
    found, _ = files.peculiar(table(*rows), {"blank": blank}, CheckConfig())
    return {kind: (count, treatment) for kind, count, treatment in found.itertuples(index=False)}


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("damaged: not a whole JPEG (truncated or broken)", "truncated or broken"),
        ("cannot be decoded: not a whole PNG", "truncated or broken"),
        ("cannot be read: Permission denied", "unreadable"),
        ("too large: 623 megapixels, the limit is 100 (data.max_megapixels)", "oversized"),
        ("empty file", "empty"),
        ("not an image: text", "not an image"),
        ("vanished while the folder was read", "vanished while the folder was read"),
    ],
)
def test_a_file_that_is_not_used_is_counted_by_its_reason(reason: str, kind: str) -> None:
    assert kinds(row("a/1", reason=reason, split="")) == {kind: (1, "not used")}


@pytest.mark.parametrize("trait", ["mislabelled", "animated", "alpha", "cmyk", "uint16", "float32", "rotated"])
def test_every_trait_is_a_kind_that_says_what_is_done(trait: str) -> None:
    (_, treatment), *others = kinds(row("a/1", traits=trait)).values()
    assert treatment.startswith("used")
    assert not others


def test_an_image_with_several_traits_counts_for_each() -> None:
    found = kinds(row("a/1.gif", traits="alpha animated"), row("a/2.png", traits="alpha"))
    assert {kind: count for kind, (count, _) in found.items()} == {"with transparency": 2, "animated": 1}


def test_small_images_are_tiny_by_their_shorter_side() -> None:
    assert kinds(row("a/1", width=31), row("a/2", height=31), row("a/3", width=32, height=32))["tiny"][0] == 2


def test_an_image_that_was_seen_to_be_blank_is_listed() -> None:
    assert kinds(row("one"), row("two"), blank=("one",))["blank"][0] == 1


def test_what_is_not_used_comes_first_and_the_files_are_listed_with_details() -> None:
    rows = [row("a/1.jpg", traits="mislabelled"), row("a/2.jpg", traits="mislabelled"), row("a/3.png", reason="not an image: text")]
    found, listed = files.peculiar(table(*rows), {}, CheckConfig(tiny=1))
    assert list(found["kind"]) == ["not an image", "mislabelled type"]
    assert listed[["path", "detail"]].to_numpy().tolist() == [
        ["a/3.png", "text"],
        ["a/1.jpg", "is PNG, called .jpg"],
        ["a/2.jpg", "is PNG, called .jpg"],
    ]


def test_classes_come_with_shares_and_splits_and_keep_those_without_per_image() -> None:
    rows = [row("a/1"), row("a/2", split="test"), row("b/1", split="validation"), row("c/1", reason="empty file", split="")]
    assert files.classes(table(*rows)).to_numpy().tolist() == [["a", 2, 2 / 3, 1, 0, 1], ["b", 1, 1 / 3, 0, 1, 0], ["c", 0, 0.0, 0, 0, 0]]


def test_duplicates_between_classes_come_first_and_are_contradictions() -> None:
    rows = [row(f"a/{number}", digest="x") for number in range(3)]
    rows += [row("a/8", digest="y"), row("b/8", digest="y"), row("b/9")]
    found = files.duplicates(table(*rows))
    assert found[["set", "path", "contradiction"]].to_numpy().tolist() == [
        [0, "a/8", True], [0, "b/8", True], [1, "a/0", False], [1, "a/1", False], [1, "a/2", False],
    ]  # fmt: skip
    assert Findings(duplicates=found).contradictions == 1


def test_a_file_left_out_because_of_the_test_is_still_a_duplicate_but_empty_files_are_not() -> None:
    rows = [row("a/1", digest="x", split="test"), row("a/2", digest="x", split="", reason="the same image is in test: a/1")]
    rows += [row(f"a/{number}", digest="e", reason="empty file") for number in (3, 4)]
    assert list(files.duplicates(table(*rows))["path"]) == ["a/1", "a/2"]


def test_sizes_and_formats_are_those_of_used_images() -> None:
    usable = table(row("a/1", width=10, height=10), row("a/2", width=30, height=20), row("a/3", width=20, height=1000, format="JPEG"))
    assert files.formats(usable).to_numpy().tolist() == [["PNG", 2], ["JPEG", 1]]
    assert files.sizes(usable).to_numpy().tolist() == [
        ["width", 10.0, 20.0, 30.0], ["height", 10.0, 20.0, 1000.0], ["megapixels", 1e-4, 6e-4, 0.02],
    ]  # fmt: skip
    assert files.sizes(usable.head(0)).empty


def test_names_that_are_not_unicode_are_counted_and_listed() -> None:
    label = os.fsdecode(b"d\xff")
    rows = [
        row(f"{label}/1.png", traits="mislabelled"),
        row(f"{label}/2.png", width=3),
        row("a/1", reason=f"not an image: {label}", split=""),
    ]
    assert files.classes(table(*rows))[["label", "images"]].to_numpy().tolist() == [[label, 2], ["a", 0]]
    assert files.peculiar(table(*rows), {}, CheckConfig())[1][["kind", "path", "detail"]].to_numpy().tolist() == [
        ["not an image", "a/1", label],
        ["mislabelled type", f"{label}/1.png", "is PNG, called .png"],
        *([kind, f"{label}/2.png", "3 x 48 pixels"] for kind in ("odd aspect ratio", "tiny")),
    ]


def test_files_of_one_kind_stand_in_the_order_of_the_manifest_whatever_their_reasons_and_traits() -> None:
    rows = [row("a/1", reason="damaged: x", split=""), row("a/2", traits="alpha"), row("a/3", reason="cannot be decoded: y", split="")]
    rows += [row("a/4", traits="animated alpha"), row("a/5", reason="damaged", split=""), row("a/6", status="transcoded", format="HEIC")]
    _, listed = files.peculiar(table(*rows), {}, CheckConfig(tiny=1))
    assert listed[["kind", "path", "detail"]].to_numpy().tolist() == [
        ["truncated or broken", "a/1", "x"],
        ["truncated or broken", "a/3", "y"],
        ["truncated or broken", "a/5", ""],
        ["with transparency", "a/2", ""],
        ["with transparency", "a/4", ""],
        ["animated", "a/4", ""],
        ["not read by TensorFlow", "a/6", "HEIC"],
    ]


def test_values_of_more_than_8_bits_are_said_by_their_range() -> None:
    rows = [
        row("a/1", traits="uint16", value_range="0 to 4095"),
        row("a/2", traits="uint16", value_range="dtype"),
        row("a/3", traits="uint16"),
    ]
    said = [treatment for _, _, treatment in files.peculiar(table(*rows), {}, CheckConfig(tiny=1))[0].to_numpy().tolist()]
    assert sum("values 0 to 4095" in text for text in said) == 1 and len(said) == 2
