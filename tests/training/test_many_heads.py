"""Many heads at once: the same mathematics as Keras's training, whatever else is trained beside."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from tests.training.test_fitting import InArray
from transfer.config import Config
from transfer.config.schema import validated
from transfer.data.folds import Fold
from transfer.evaluation.calibration import temperature
from transfer.models import heads
from transfer.system.progress import Silent
from transfer.training import many_heads
from transfer.training.batches import Batches, class_weights
from transfer.training.fitting import Stage, fit
from transfer.training.many_heads import Curve

CLASSES = 3


def configured(head: dict[str, Any] | None = None, **training: Any) -> Config:
    usual = {"epochs": 5, "batch_size": 16, "learning_rate": 3e-3, "patience": None}
    return validated({"head": {"dense": (8,), "dropout": 0.0} | (head or {}), "training": usual | training, "seed": 3})


def made_up(count: int, width: int = 6, seed: int = 0, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Classes around points; the largest class has half of the rows."""
    generator = np.random.default_rng(seed)
    labels = np.minimum(np.arange(count) % 4, CLASSES - 1)
    rows = np.random.default_rng(99).normal(size=(CLASSES, width))[labels] + noise * generator.normal(size=(count, width))
    return rows.astype(np.float32), labels


def folded(count: int, folds: int = 3) -> list[Fold]:
    fold_of = np.random.default_rng(5).permutation(count) % folds
    return [Fold(np.flatnonzero(fold_of != number), np.flatnonzero(fold_of == number)) for number in range(folds)]


def by_keras(rows: np.ndarray, labels: np.ndarray, config: Config, fold: Fold, tmp_path: Any) -> tuple[keras.Model, Any]:
    """Train the same head by `training/fitting.py`."""
    head = heads.build(rows.shape[1], CLASSES, config.head.model_copy(update={"standardize": False}), config.seed)

    def batches(chosen: np.ndarray, rule: str, seed: int | None) -> Batches:
        weights = class_weights(labels[chosen], CLASSES, rule)
        size = config.training.batch_size
        return Batches(InArray(rows[chosen]), labels[chosen], CLASSES, size, rows.shape[1:], weights, seed)

    stage = Stage("head", config.training, config.training, tmp_path / "checkpoint.npz")
    train = batches(fold.train, config.training.class_weights, config.seed)
    return head, fit(head, train, batches(fold.held_out, "none", None), stage, Silent())


@pytest.mark.parametrize(
    "config",
    [
        configured(),
        configured({"dense": ()}, label_smoothing=0.2),
        configured({"dense": (8, 5), "l2": 0.0}, warmup=0.2, class_weights="balanced"),
        configured(weight_decay=0.05, clip_norm=0.3, batch_size=7),
        configured(patience=1, learning_rate=0.3, epochs=12),
    ],
)
def test_without_dropout_it_is_the_training_of_keras(config: Config, tmp_path: Any) -> None:
    rows, labels = made_up(75)
    fold = folded(75)[0]
    curve = many_heads.dense_curves(rows, labels, CLASSES, config, [fold])[0]
    head, fitted = by_keras(rows, labels, config, fold, tmp_path)
    np.testing.assert_allclose(curve.loss, fitted.history["val_loss"], rtol=1e-4)
    np.testing.assert_allclose(curve.accuracy, fitted.history["val_accuracy"], rtol=1e-6)
    assert curve.best + 1 == fitted.best_epoch
    np.testing.assert_allclose(curve.logits, np.asarray(head(rows[fold.held_out])), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dense", [(), (8,), (16, 8)])
def test_initial_weights_are_those_of_the_head(dense: tuple[int, ...]) -> None:
    config = configured({"dense": dense})
    expected = heads.build(6, CLASSES, config.head, config.seed).get_weights()
    found = many_heads.initial_weights(6, CLASSES, config)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


def test_folds_trained_in_portions_have_the_same_curves_bit_for_bit() -> None:
    rows, labels = made_up(90)
    config, folds = configured({"dropout": 0.5}, patience=2, epochs=10), folded(90, 5)
    together = many_heads.dense_curves(rows, labels, CLASSES, config, folds)
    apart = many_heads.dense_curves(rows, labels, CLASSES, config, folds[:2])
    apart += many_heads.dense_curves(rows, labels, CLASSES, config, folds[2:])
    for one, other in zip(together, apart, strict=True):
        assert np.array_equal(one.loss, other.loss) and np.array_equal(one.logits, other.logits)


def test_the_seed_decides_and_the_fold_sees_only_its_own_rows() -> None:
    rows, labels = made_up(60)
    fold, config = folded(60)[0], configured({"dropout": 0.5})

    def losses(rows: np.ndarray, labels: np.ndarray, config: Config) -> list[float]:
        return list(many_heads.dense_curves(rows, labels, CLASSES, config, [fold])[0].log_loss)

    first = losses(rows, labels, config)
    other_rows, other_labels = np.vstack([rows, rows[:9]]), np.r_[labels, labels[:9]]
    assert first == losses(other_rows, other_labels, config) != losses(rows, labels, config.updated(seed=4))
    swapped = labels.copy()
    swapped[fold.held_out] = (swapped[fold.held_out] + 1) % CLASSES
    one, other = (many_heads.dense_curves(rows, known, CLASSES, configured(), [fold])[0] for known in (labels, swapped))
    assert not np.array_equal(one.log_loss, other.log_loss)
    np.testing.assert_array_equal(
        many_heads.dense_curves(rows, labels, CLASSES, configured(epochs=1), [fold])[0].logits,
        many_heads.dense_curves(rows, swapped, CLASSES, configured(epochs=1), [fold])[0].logits,
    )


def test_the_rows_given_are_not_changed() -> None:
    rows, labels = made_up(40)
    before = rows.copy()
    many_heads.dense_curves(rows, labels, CLASSES, configured({"dropout": 0.5}), folded(40))
    assert np.array_equal(rows, before)


def test_a_curve_tells_loss_and_accuracy_of_the_rows_held_out() -> None:
    rows, labels = made_up(80)
    config, fold = configured({"dropout": 0.3, "l2": 1e-3}, epochs=8, label_smoothing=0.1), folded(80)[1]
    curve = many_heads.dense_curves(rows, labels, CLASSES, config, [fold])[0]
    assert curve.log_loss.shape == curve.accuracy.shape == curve.loss.shape == (8,)
    assert curve.log_loss.dtype == np.float64 and curve.logits.dtype == np.float32
    assert curve.logits.shape == (len(fold.held_out), CLASSES)
    true = labels[fold.held_out]
    assert curve.accuracy[curve.best] == (curve.logits.argmax(1) == true).mean()
    assert np.array_equal(curve.right[curve.best], curve.logits.argmax(1) == true)
    np.testing.assert_allclose(curve.right.mean(axis=1), curve.accuracy)
    logits = curve.logits.astype(np.float64)
    of_true = logits[np.arange(len(true)), true] - np.log(np.exp(logits).sum(1))
    assert curve.log_loss[curve.best] == pytest.approx(-of_true.mean())
    assert 0.05 <= temperature(curve.logits, true) <= 20


def test_a_training_that_diverges_ends_with_an_infinite_loss() -> None:
    rows, labels = made_up(40)
    curve = many_heads.dense_curves(rows * 1e30, labels, CLASSES, configured(learning_rate=1e30, epochs=9), folded(40)[:1])[0]
    assert curve.log_loss[-1] == curve.loss[-1] == np.inf and len(curve.loss) < 9
    assert 0 <= curve.accuracy[-1] <= 1


def test_patience_ends_a_fold_so_many_epochs_after_its_best() -> None:
    rows, labels = made_up(60, noise=4)
    config = configured({"dense": (32,), "l2": 0.0}, epochs=60, patience=3, learning_rate=0.03)
    curves = many_heads.dense_curves(rows, labels, CLASSES, config, folded(60))
    assert all(len(curve.loss) == curve.best + 4 < 60 for curve in curves)


def test_a_class_without_rows_one_feature_and_one_row_in_a_batch() -> None:
    labels = np.array([0, 1] * 8 + [2])
    rows = np.random.default_rng(0).normal(size=(17, 1)).astype(np.float32)
    fold = Fold(np.arange(16), np.arange(16, 17))
    config = configured({"dropout": 0.5}, batch_size=5, class_weights="balanced")
    curve = many_heads.dense_curves(rows, labels, CLASSES, config, [fold])[0]
    assert np.isfinite(curve.log_loss).all() and curve.accuracy[-1] == 0


def test_it_is_as_accurate_as_keras(tmp_path: Any) -> None:
    rows, labels = made_up(800, width=20, noise=2.5)
    config = configured({"dense": (16,), "dropout": 0.5}, epochs=10, batch_size=32, learning_rate=0.01)
    fold = folded(800, 2)[0]
    curve = many_heads.dense_curves(rows, labels, CLASSES, config, [fold])[0]
    fitted = by_keras(rows, labels, config, fold, tmp_path)[1]
    assert 0.6 < curve.accuracy[-1] < 0.99
    assert curve.accuracy[-1] == pytest.approx(fitted.history["val_accuracy"].iloc[-1], abs=0.03)
    np.testing.assert_allclose(curve.loss, fitted.history["val_loss"], rtol=0.1)


def test_linear_curves_have_one_epoch() -> None:
    rows, labels = made_up(60)
    folds = folded(60)
    curves = many_heads.linear_curves(rows, labels, CLASSES, configured(), folds, 0.1)
    assert [len(curve.log_loss) for curve in curves] == [1, 1, 1]
    for curve, fold in zip(curves, folds, strict=True):
        assert curve.logits.shape == (len(fold.held_out), CLASSES) and curve.best == 0
        assert curve.accuracy[0] == (curve.logits.argmax(1) == labels[fold.held_out]).mean() > 0.6
    balanced = many_heads.linear_curves(rows, labels, CLASSES, configured(class_weights="balanced"), folds, 0.1)
    assert not np.allclose(balanced[0].logits, curves[0].logits)


def test_the_best_epoch_is_that_of_the_lowest_loss() -> None:
    curve = Curve(
        np.array([3.0, 1.0, 2.0]), np.array([0.1, 0.2, 0.9]), np.array([3.0, 2.0, 1.0]), np.zeros((1, 2), np.float32), np.ones((3, 1), bool)
    )
    assert curve.best == 2 and replace(curve, loss=curve.log_loss).best == 1
