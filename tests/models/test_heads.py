"""Heads: pooling, standardisation by given moments, dense layers with dropout and L2, weights from the seed alone."""

import keras
import numpy as np
import pytest

from transfer.config import HeadConfig
from transfer.models import heads

MAPS = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
ROWS = np.random.default_rng(1).normal(3.0, 2.0, (50, 6)).astype(np.float32)
PLAIN = HeadConfig(dense=(), dropout=0.0, l2=0.0, standardize=False)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("avg", MAPS.mean((1, 2))), ("max", MAPS.max((1, 2))), ("flatten", MAPS.reshape(2, -1))],
)
def test_pooling(pooling: str, expected: np.ndarray) -> None:
    np.testing.assert_allclose(np.asarray(heads.pool(MAPS, pooling)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pooling", ["avg", "max", "flatten"])
def test_maps_of_16_bits_are_pooled_in_float32(pooling: str) -> None:
    pooled = heads.pool(keras.ops.cast(np.full((1, 64, 64, 1), 1.0078125), "bfloat16"), pooling)
    assert keras.backend.standardize_dtype(pooled.dtype) == "float32"
    assert np.asarray(pooled).flat[0] == 1.0078125, "a sum of 4,096 values in 16 bits would not be exact"


def test_no_dense_layer_is_a_linear_classifier() -> None:
    head = heads.build(6, 3, PLAIN, 0)
    kernel, bias = head.get_weights()
    assert kernel.shape == (6, 3)
    np.testing.assert_allclose(np.asarray(head(ROWS)), ROWS @ kernel + bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dense", "count"), [((), 6 * 3 + 3), ((8,), 6 * 8 + 8 + 8 * 3 + 3), ((8, 4), 56 + 36 + 15)])
def test_any_number_of_dense_layers(dense: tuple[int, ...], count: int) -> None:
    head = heads.build(6, 3, HeadConfig(dense=dense), 0, ROWS.mean(0), ROWS.var(0))
    assert head.input_shape == (None, 6) and head.output_shape == (None, 3)
    assert sum(int(np.prod(weight.shape)) for weight in head.trainable_weights) == count
    activations = [layer.activation.__name__ for layer in head.layers if isinstance(layer, keras.layers.Dense)]
    assert activations == ["relu"] * len(dense) + ["linear"]


def test_features_are_standardised_by_the_moments_given() -> None:
    head = heads.build(6, 3, HeadConfig(dense=(), dropout=0.0), 0, ROWS.mean(0), ROWS.var(0))
    standardised = np.asarray(head.get_layer("standardize")(ROWS))
    np.testing.assert_allclose(standardised.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(standardised.std(0), 1, atol=1e-4)


def test_standardisation_can_be_left_out() -> None:
    head = heads.build(6, 3, PLAIN, 0, ROWS.mean(0), ROWS.var(0))
    assert "standardize" not in [layer.name for layer in head.layers]


def test_a_feature_that_never_varies_is_not_blown_up() -> None:
    rows = ROWS.copy()
    rows[:, 2] = 7.0
    variance = rows.var(0)
    variance[2] = 1e-12  # what rounding leaves of zero
    head = heads.build(6, 3, HeadConfig(dense=(), dropout=0.0), 0, rows.mean(0), variance)
    moved = rows + np.float32(1e-3)
    assert np.abs(np.asarray(head.get_layer("standardize")(moved)))[:, 2].max() < 0.01


def test_moments_that_are_all_zero_give_finite_features() -> None:
    head = heads.build(4, 2, HeadConfig(dense=(), dropout=0.0), 0, np.zeros(4, np.float32), np.zeros(4, np.float32))
    assert np.isfinite(np.asarray(head(np.ones((1, 4), np.float32)))).all()


def test_dropout_stands_before_each_dense_layer_and_only_in_training() -> None:
    head = heads.build(6, 3, HeadConfig(dense=(8, 4), dropout=0.5), 0, ROWS.mean(0), ROWS.var(0))
    kinds = [type(layer).__name__ for layer in head.layers]
    assert kinds == ["InputLayer", "Normalization", "Dropout", "Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert np.array_equal(np.asarray(head(ROWS, training=False)), np.asarray(head(ROWS, training=False)))
    assert not np.array_equal(np.asarray(head(ROWS, training=True)), np.asarray(head(ROWS, training=True)))


def test_l2_lies_on_every_dense_kernel_and_on_nothing_else() -> None:
    head = heads.build(6, 3, HeadConfig(dense=(8,), l2=0.5, dropout=0.0), 0)
    kernels = [weight for weight in head.get_weights() if weight.ndim == 2]
    expected = 0.5 * sum(float((kernel.astype(np.float64) ** 2).sum()) for kernel in kernels)
    assert float(sum(head.losses)) == pytest.approx(expected, rel=1e-5)
    assert not heads.build(6, 3, HeadConfig(l2=0.0), 0).losses


def test_weights_and_dropout_are_functions_of_the_seed() -> None:
    def outputs(seed: int) -> np.ndarray:
        keras.utils.set_random_seed(seed + 17)  # a global seed must have no influence
        head = heads.build(6, 3, HeadConfig(dense=(8,)), seed)
        return np.asarray(head(ROWS, training=True))

    first = outputs(1)
    assert np.array_equal(first, outputs(1)) and not np.array_equal(first, outputs(2))
    keras.utils.set_random_seed(99)
    assert np.array_equal(np.asarray(heads.build(6, 3, HeadConfig(dense=(8,)), 1)(ROWS, training=True)), first)


def test_layers_of_one_head_do_not_start_alike() -> None:
    head = heads.build(8, 8, HeadConfig(dense=(8, 8)), 0)
    kernels = [weight for weight in head.get_weights() if weight.ndim == 2]
    assert not np.allclose(kernels[0], kernels[1])
