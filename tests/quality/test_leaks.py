"""Properties of files that give the class away, and those that do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.quality import leaks

NAMES = ["cats", "dogs", "fish"]
LABELS = np.arange(300) % 3


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def one(name: str, values: np.ndarray, labels: np.ndarray = LABELS, names: list[str] = NAMES) -> dict[str, object]:
    table = leaks.find({name: values}, labels, names)
    assert list(table.columns) == leaks.COLUMNS
    return dict(table.iloc[0])


def test_a_size_that_tells_two_classes_is_a_leak_with_its_threshold() -> None:
    labels = np.arange(200) % 2
    sizes = random().integers(5000, 9000, 200) + 10_000.0 * labels
    found = one("file size", sizes, labels, ["cats", "dogs"])
    assert found["leak"]
    assert found["accuracy"] == pytest.approx(1)
    assert found["majority"] == pytest.approx(0.5)
    assert str(found["rule"]).startswith("files whose file size is above 1")
    assert str(found["rule"]).endswith(" bytes are mostly 'dogs'")


def test_a_size_below_which_a_class_lies_is_said_so() -> None:
    sizes = random().uniform(1000, 2000, 300) * np.where(LABELS == 1, 0.1, 1)
    rule = str(one("file size", sizes)["rule"])
    assert "at most" in rule
    assert "'dogs'" in rule


def test_one_class_of_many_with_another_format_is_a_leak() -> None:
    labels = np.arange(400) % 20
    formats = np.where(labels == 7, "PNG", "JPEG")
    found = one("format", formats, labels, [f"class {number}" for number in range(20)])
    assert found["leak"]
    assert found["rule"] == "files whose format is PNG are mostly 'class 7'"
    assert found["accuracy"] == pytest.approx(1)
    assert found["majority"] == pytest.approx(0.95)


def test_the_channel_of_a_border_color_is_named() -> None:
    thumbnails = random().integers(100, 140, (300, 8, 8, 3)).astype(np.uint8)
    thumbnails[LABELS == 2, 0, :, 2] = 255
    found = one("border colour", leaks.border_color(thumbnails))
    assert found["leak"]
    assert "border colour (blue)" in str(found["rule"])
    assert "'fish'" in str(found["rule"])


@pytest.mark.parametrize("seed", range(5))
def test_chance_is_no_leak(seed: int) -> None:
    values = {"file size": random(seed).normal(size=300), "format": random(seed).choice(["PNG", "JPEG"], 300), "width": np.full(300, 64.0)}
    table = leaks.find(values, LABELS, NAMES, level=0.01)
    assert not table["leak"].any()
    assert table["property"].tolist() == list(values)


def test_few_images_are_no_evidence() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert not one("width", np.array([1.0, 2, 3, 10, 11, 12]), labels, ["cats", "dogs"])["leak"]


def test_a_weak_hint_is_no_leak_in_practice() -> None:
    labels = np.arange(20_000) % 2
    values = random().normal(size=20_000) + 0.2 * labels
    found = one("width", values, labels, ["cats", "dogs"])
    assert 0.52 < float(str(found["accuracy"])) < 0.6
    assert not found["leak"]


def test_the_margin_and_the_level_are_what_is_asked_for() -> None:
    labels = np.arange(400) % 2
    values = random().normal(size=400) + 1.2 * labels
    assert [leaks.find({"width": values}, labels, NAMES, margin=margin)["leak"][0] for margin in (0.1, 0.4)] == [True, False]
    assert not leaks.find({"width": values}, labels, NAMES, level=1e-100)["leak"][0]


def test_what_is_the_same_for_all_has_no_rule() -> None:
    found = one("width", np.full(300, 64.0))
    assert str(found["rule"]).startswith("no rule")
    assert found["accuracy"] <= found["majority"]  # type: ignore[operator]


def test_border_color_is_the_mean_of_the_outermost_pixels() -> None:
    thumbnails = np.full((1, 4, 4, 3), 200, np.uint8)
    thumbnails[0, 1:3, 1:3] = 0
    thumbnails[0, 0, :, 0] = 80
    assert leaks.border_color(thumbnails).tolist() == [[160, 200, 200]]


rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=2, max_size=40)


@settings(max_examples=200, deadline=None)
@given(rows)
def test_the_best_threshold_of_each_class_is_that_of_trying_all(table: list[tuple[int, int]]) -> None:
    labels, values = np.array([label for label, _ in table]), np.array([value for _, value in table], float)
    count = np.bincount(labels)
    wrong = np.minimum(count, len(labels) - count)
    for label, received in enumerate(leaks._avoided(values, labels, count, wrong)):
        own = labels == label
        errors = [
            sum(min(np.sum(own & side), np.sum(~own & side)) for side in (values <= threshold, values > threshold))
            for threshold in [-1, *np.unique(values)]
        ]
        assert received == (wrong[label] - min(errors) if own.any() else 0)


def test_of_many_classes_only_those_that_a_threshold_divides_are_tried() -> None:
    labels = np.arange(6000) % 200
    sizes = random().normal(size=6000) + 100 * (labels == 17)
    assert leaks._divisible({"size": sizes}, labels, 0.25, 1e-6) == [17]
    names = [f"class {number}" for number in range(200)]
    found = one("file size", sizes, labels, names)
    assert found["leak"] and str(found["rule"]).endswith("'class 17'")


def test_classes_of_a_few_images_are_too_small_to_show_a_leak() -> None:
    labels = np.arange(400) // 4
    assert leaks._divisible({"size": labels.astype(float)}, labels, 0.25, 1e-6) == []
    assert not one("file size", labels.astype(float), labels, [str(number) for number in range(100)])["leak"]
