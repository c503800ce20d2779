"""`truncate_at: auto`: the shallowest cut within one standard error of the best, judged on images that were held back."""

import numpy as np
import pandas as pd
import pytest

from transfer.config import AutoConfig
from transfer.errors import DataError
from transfer.system.progress import Silent
from transfer.training import truncation

CONFIG = AutoConfig()
LABELS = np.repeat([0, 1, 2], 20)
GROUPS = [f"image {number}" for number in range(60)]


def noise(seed: int, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(60, width)).astype(np.float32)


def telling(seed: int, strength: float = 3.0) -> np.ndarray:
    """Features that tell the three classes apart."""
    return noise(seed, 3) + strength * np.eye(3, dtype=np.float32)[LABELS]


def chosen_from(monkeypatch: pytest.MonkeyPatch, accuracies: list[float], errors: list[float]) -> tuple[str, pd.DataFrame]:
    cuts = [f"block{number}" for number in range(1, len(accuracies) + 1)]
    table = pd.DataFrame({"cut": cuts, "features": 8, "cv_accuracy": accuracies, "standard_error": errors})
    monkeypatch.setattr(truncation, "cross_validated", lambda *arguments: table)
    (chosen,), table = truncation.select(dict.fromkeys(cuts), LABELS, GROUPS, CONFIG, 0, Silent(), several=False)
    return chosen, table


@pytest.mark.parametrize(
    ("accuracies", "errors", "expected"),
    [
        ([0.70, 0.80, 0.83, 0.85], [0.05, 0.04, 0.03, 0.03], "block3"),
        ([0.70, 0.80, 0.83, 0.85], [0.20, 0.20, 0.20, 0.01], "block4"),
        ([0.84, 0.80, 0.83, 0.85], [0.0, 0.0, 0.0, 0.02], "block1"),
        ([0.70, 0.95, 0.83, 0.85], [0.03, 0.01, 0.03, 0.20], "block2"),
        ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0], "block1"),
        ([0.5, 0.75, 0.875], [0.0, 0.0, 0.125], "block2"),
        ([0.9], [0.01], "block1"),
    ],
    ids=["within one error", "the error of the best counts", "the shallowest", "the best is below the top", "all alike", "just", "one"],
)
def test_the_shallowest_cut_within_one_standard_error_of_the_best_wins(
    monkeypatch: pytest.MonkeyPatch, accuracies: list[float], errors: list[float], expected: str
) -> None:
    chosen, table = chosen_from(monkeypatch, accuracies, errors)
    assert chosen == expected
    assert list(table["cut"][table["chosen"]]) == [expected]
    assert list(table.columns) == truncation.COLUMNS


def test_a_cut_that_tells_the_classes_apart_wins_over_one_that_does_not() -> None:
    features = {"low": noise(0), "middle": telling(1, 8.0), "top": telling(2, 8.0)}
    chosen, table = truncation.select(features, LABELS, GROUPS, CONFIG, 0, Silent())
    by_cut = table.set_index("cut")
    assert chosen == ("middle",)
    assert by_cut.at["low", "cv_accuracy"] < 0.6 < 0.9 < by_cut.at["middle", "cv_accuracy"]
    assert dict(by_cut["features"]) == {"low": 5, "middle": 3, "top": 3, "middle+top": 6, "low+middle+top": 11}
    assert list(by_cut.index) == ["low", "middle", "top", "middle+top", "low+middle+top"]


def test_cut_points_that_know_different_things_win_together() -> None:
    half = np.array([[0.0], [0.0], [1.0]], np.float32), np.array([[0.0], [1.0], [1.0]], np.float32)
    features = {name: 4 * known[LABELS] + noise(seed, 1) for seed, (name, known) in enumerate(zip(("middle", "top"), half, strict=True))}
    loose = AutoConfig(inverse_penalty=10.0)  # a penalty is hard on single features
    chosen, table = truncation.select({"low": noise(9), **features}, LABELS, GROUPS, loose, 0, Silent())
    assert chosen == ("middle", "top")
    assert list(table["cut"][table["chosen"]]) == ["middle+top"]
    alone, _ = truncation.select({"low": noise(9), **features}, LABELS, GROUPS, loose, 0, Silent(), several=False)
    assert len(alone) == 1


def test_a_wide_cut_point_does_not_outweigh_a_narrow_one() -> None:
    """Two features tell the classes apart; 400 do not, and would by their number alone take the penalty's allowance."""
    features = {"wide": noise(5, 400), "top": telling(2, 1.5)}
    accuracies = truncation.cross_validated(features, LABELS, GROUPS, CONFIG, 0, tried=[("top",), ("wide", "top")])["cv_accuracy"]
    assert accuracies[1] > accuracies[0] - 0.15


def test_the_standard_error_is_that_of_a_share_of_the_images() -> None:
    table = truncation.cross_validated({"low": noise(0)}, LABELS, GROUPS, CONFIG, 0)
    share = table.at[0, "cv_accuracy"]
    assert share * 60 == pytest.approx(round(share * 60)), "each image is judged once"
    assert table.at[0, "standard_error"] == pytest.approx((share * (1 - share) / 60) ** 0.5)


def test_the_scale_of_features_has_no_influence() -> None:
    features = telling(0, 1.5)
    scaled = features * np.array([1e-3, 1.0, 1e4], np.float32) + 100
    both = truncation.cross_validated({"a": features, "b": scaled}, LABELS, GROUPS, CONFIG, 0)["cv_accuracy"]
    assert both[0] == pytest.approx(both[1], abs=0.05)


def test_a_stronger_penalty_is_used_where_it_is_asked_for() -> None:
    features = {"wide": np.concatenate([noise(0, 100), telling(1, 1.0)], 1)}
    weak, strong = (
        truncation.cross_validated(features, LABELS, GROUPS, AutoConfig(inverse_penalty=penalty), 0).at[0, "cv_accuracy"]
        for penalty in (1e3, 1e-3)
    )
    assert weak != strong


def test_the_same_seed_gives_the_same_table_and_another_other_folds() -> None:
    features = {"low": noise(0), "top": telling(0, 1.0)}
    first = truncation.cross_validated(features, LABELS, GROUPS, CONFIG, 1)
    pd.testing.assert_frame_equal(first, truncation.cross_validated(features, LABELS, GROUPS, CONFIG, 1))
    others = [truncation.cross_validated(features, LABELS, GROUPS, CONFIG, seed)["cv_accuracy"].tolist() for seed in range(2, 6)]
    assert any(other != first["cv_accuracy"].tolist() for other in others)


def test_each_cut_point_is_told_to_the_progress() -> None:
    done: list[int] = []
    truncation.cross_validated({"low": noise(0), "top": telling(0)}, LABELS, GROUPS, CONFIG, 0, done.append)
    assert done == [1, 1]


def test_copies_are_not_rewarded_for_being_known_by_heart() -> None:
    """Each image is there four times: folds that divided copies would find the labels of noise almost perfectly."""
    labels = np.random.default_rng(0).integers(0, 2, 60)
    features = np.repeat(noise(1, 200), 4, 0)
    groups = [group for group in GROUPS for _ in range(4)]
    loose = AutoConfig(inverse_penalty=1e4)
    table = truncation.cross_validated({"top": features}, np.repeat(labels, 4), groups, loose, 0)
    assert table.at[0, "cv_accuracy"] < 0.75


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        ([0] * 5 + [1] * 5, list("aaaab") + list("ccccd")),
        ([0, 0, 0, 1], list("abcd")),
        ([0, 0, 1, 1, 2, 2], list("abcdef")),
        ([0] * 9 + [1], list("abcdefghij")),
    ],
    ids=["copies", "a class with one image", "two of each", "very unbalanced"],
)
def test_few_images_are_judged_all_the_same(labels: list[int], groups: list[str]) -> None:
    features = np.random.default_rng(0).normal(size=(len(labels), 3)).astype(np.float32)
    table = truncation.cross_validated({"top": features}, np.array(labels), groups, CONFIG, 0)
    assert 0 <= table.at[0, "cv_accuracy"] <= 1


@pytest.mark.parametrize("copies", [1, 5])
def test_one_image_of_each_class_is_too_few_and_the_error_says_what_helps(copies: int) -> None:
    labels = np.repeat([0, 1], copies)
    groups = [str(label) for label in labels]
    with pytest.raises(
        DataError, match=r"needs two different training images.*--set truncate_at=top.*Received one training image for each class"
    ):
        truncation.cross_validated({"top": np.zeros((len(labels), 2), np.float32)}, labels, groups, CONFIG, 0)
