"""Linear heads: the minimum of the penalised loss, for any number of classes and of rows, and a strength chosen without looking ahead."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from transfer.training import linear_head
from transfer.training.linear_head import COLUMNS, LinearHead


def made_up(count: int, width: int, classes: int, seed: int = 0, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Classes around points."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    points = np.random.default_rng(77).normal(size=(classes, width))
    return (points[labels] + noise * generator.normal(size=(count, width))).astype(np.float32), labels


def objective(head: LinearHead, rows: np.ndarray, labels: np.ndarray, weights: np.ndarray | float = 1.0) -> float:
    logits = rows.astype(np.float64) @ head.kernel + head.bias
    losses = -log_softmax(logits, axis=1)[np.arange(len(rows)), labels]
    return float(head.inverse_penalty * (weights * losses).sum() + 0.5 * (head.kernel.astype(np.float64) ** 2).sum())


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize(("count", "width"), [(60, 4), (40, 90)])  # more rows than features, and fewer: rotated
@pytest.mark.parametrize("inverse_penalty", [0.01, 1.0])
def test_it_is_the_minimum_of_loss_and_penalty(classes: int, count: int, width: int, inverse_penalty: float) -> None:
    rows, labels = made_up(count, width, classes, noise=2)
    weights = np.random.default_rng(1).uniform(0.5, 2, count)
    head = linear_head.fit(rows, labels, classes, inverse_penalty, weights)
    assert head.kernel.shape == (width, classes) and head.bias.shape == (classes,) and head.table is None
    assert head.kernel.dtype == head.bias.dtype == np.float32 and head.inverse_penalty == inverse_penalty
    least = objective(head, rows, labels, weights)
    probabilities = np.exp(log_softmax(rows.astype(np.float64) @ head.kernel + head.bias, axis=1))
    errors = weights[:, None] * (probabilities - np.eye(classes)[labels])
    assert np.abs(inverse_penalty * errors.sum(axis=0)).max() < 1e-2 * inverse_penalty * count**0.5
    assert np.abs(inverse_penalty * rows.T @ errors + head.kernel).max() < 2e-3 * max(1, inverse_penalty * count**0.5)
    for seed in range(5):
        moved = head.kernel + np.float32(0.02) * np.random.default_rng(seed).normal(size=head.kernel.shape).astype(np.float32)
        assert objective(LinearHead(moved, head.bias, inverse_penalty), rows, labels, weights) > least


def test_rotation_changes_nothing() -> None:
    rows, labels = made_up(50, 49, 3)
    padded = np.hstack([rows, np.zeros((50, 30), np.float32)])
    plain, rotated = linear_head.fit(rows, labels, 3, 0.1), linear_head.fit(padded, labels, 3, 0.1)
    np.testing.assert_allclose(rotated.kernel[:49], plain.kernel, atol=2e-4)
    assert not rotated.kernel[49:].any()


@pytest.mark.parametrize("classes", [2, 4])
def test_a_class_without_rows_has_the_probability_of_one_row_in_n(classes: int) -> None:
    rows, labels = made_up(40, 3, classes)
    seen = labels != classes - 1
    head = linear_head.fit(rows[seen], labels[seen], classes, 1.0)
    logits = rows @ head.kernel + head.bias
    assert not head.kernel[:, classes - 1].any() and np.isfinite(logits).all()
    of_unseen = np.exp(log_softmax(logits, axis=1))[:, -1]
    assert 1e-3 < np.median(of_unseen) < 0.1


def test_rows_of_a_single_class_and_a_single_row() -> None:
    for count in (1, 5):
        rows = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32)
        for inverse_penalty in (1.0, "auto"):
            head = linear_head.fit(rows, np.full(count, 1), 3, inverse_penalty)  # type: ignore[arg-type]
            assert not head.kernel.any() and head.bias.argmax() == 1 and np.isfinite(head.bias).all()


@pytest.mark.parametrize("width", [1, 30])
def test_features_that_never_vary_get_no_weight(width: int) -> None:
    rows, labels = made_up(20, width, 2)
    constant = np.hstack([rows, np.zeros((20, 2), np.float32)])
    head = linear_head.fit(constant, labels, 2, 1.0)
    assert not head.kernel[width:].any()
    assert np.isfinite(linear_head.fit(np.zeros((20, width), np.float32), labels, 2, "auto").kernel).all()


def test_rows_that_are_all_alike_in_pairs_can_be_rotated() -> None:
    rows, labels = made_up(20, 100, 3)
    head = linear_head.fit(np.vstack([rows, rows]), np.r_[labels, labels], 3, 0.5)
    once = linear_head.fit(rows, labels, 3, 1.0)
    np.testing.assert_allclose(head.kernel, once.kernel, atol=2e-4)


def test_auto_prefers_a_strong_penalty_where_there_is_only_noise_and_a_weak_one_without_noise() -> None:
    rows, labels = made_up(90, 10, 3, noise=0.1)
    clear = linear_head.fit(rows, labels, 3, "auto")
    noise = linear_head.fit(rows, np.random.default_rng(0).permutation(labels), 3, "auto")
    assert clear.inverse_penalty > 30 * noise.inverse_penalty
    assert clear.table is not None and list(clear.table.columns) == COLUMNS
    chosen = clear.table[clear.table["chosen"]]
    assert len(chosen) == 1 and chosen["inverse_penalty"].item() == clear.inverse_penalty
    assert chosen["log_loss"].item() == clear.table["log_loss"].min() and chosen["accuracy"].item() > 0.95
    assert clear.table["inverse_penalty"].is_monotonic_increasing


@pytest.mark.parametrize("scale", [0.01, 100])
def test_auto_does_not_depend_on_the_scale_of_the_features(scale: float) -> None:
    rows, labels = made_up(60, 5, 3)
    one, other = linear_head.fit(rows, labels, 3, "auto"), linear_head.fit(rows * np.float32(scale), labels, 3, "auto")
    assert other.inverse_penalty == pytest.approx(one.inverse_penalty / scale**2, rel=1e-5)
    np.testing.assert_allclose(other.kernel * scale, one.kernel, atol=5e-3)


def test_auto_keeps_the_rows_of_a_group_in_one_fold() -> None:
    """Each row is there four times with a label of its own: only who sees copies can tell."""
    generator = np.random.default_rng(0)
    rows, labels = generator.normal(size=(40, 60)).astype(np.float32), generator.permutation(np.arange(40) % 2)
    views, of_views = np.tile(rows, (4, 1)), np.tile(labels, 4)
    cheated = linear_head.fit(views, of_views, 2, "auto")
    honest = linear_head.fit(views, of_views, 2, "auto", groups=[str(number) for number in range(40)] * 4)
    assert cheated.table is not None and honest.table is not None
    assert cheated.table["accuracy"].max() == 1 and honest.table["accuracy"].max() < 0.75
    assert honest.inverse_penalty < cheated.inverse_penalty


def test_one_row_of_each_class_leaves_auto_nothing_to_choose_by() -> None:
    rows, labels = made_up(3, 8, 3)
    head = linear_head.fit(rows, labels, 3, "auto")
    assert head.table is None and head.inverse_penalty > 0
    assert np.array_equal((rows @ head.kernel + head.bias).argmax(axis=1), labels)


def test_balanced_weights_find_the_small_class() -> None:
    rows, labels = made_up(200, 2, 2, noise=1.5)
    kept = (labels == 0) | (np.arange(200) < 20)
    rows, labels = rows[kept], labels[kept]
    counts = np.bincount(labels)

    def small(weights: np.ndarray | None) -> float:
        head = linear_head.fit(rows, labels, 2, 1.0, weights)
        return float(((rows @ head.kernel + head.bias).argmax(axis=1) == 1).mean())

    assert small(len(labels) / (2 * counts[labels])) > small(None)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 4), st.integers(2, 30), st.integers(1, 40), st.integers(0, 5), st.sampled_from([0.1, "auto"]))
def test_any_shape_gives_finite_weights_and_the_same_again(classes: int, count: int, width: int, seed: int, penalty: Any) -> None:
    generator = np.random.default_rng(seed)
    rows, labels = generator.normal(size=(count, width)).astype(np.float32), generator.integers(0, classes, count)
    one, other = (linear_head.fit(rows, labels, classes, penalty, folds=3) for _ in range(2))
    assert np.isfinite(one.kernel).all() and np.isfinite(one.bias).all()
    assert np.array_equal(one.kernel, other.kernel) and np.array_equal(one.bias, other.bias)
    assert one.inverse_penalty == other.inverse_penalty
