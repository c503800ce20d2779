"""Pooling by maximum, average and blur: what each computes, and that only blur pooling bears a shift."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.models.scratch.scratch_models import reloaded
from transfer.models.scratch.pooling import blur, pool

BINOMIAL = {2: [1, 1], 3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1]}


def pooled(values: np.ndarray, kind: str, size: int = 2, stride: int = 2, specs: int = 3) -> np.ndarray:
    """Pool one map [h, w] and return the result."""
    images = keras.Input((*values.shape, 1))
    model = keras.Model(images, pool(images, kind, size, stride, "pool", specs))
    return np.asarray(model(values[None, ..., None].astype(np.float32)))[0, ..., 0]


def test_maximum_and_average_of_windows() -> None:
    values = np.arange(16.0).reshape(4, 4)
    assert pooled(values, "max").tolist() == [[5, 7], [13, 15]]
    assert pooled(values, "average").tolist() == [[2.5, 4.5], [10.5, 12.5]]


@pytest.mark.parametrize("specs", BINOMIAL)
@pytest.mark.parametrize("stride", [2, 3])
def test_blur_is_the_binomial_filter_on_the_mirrored_map_then_subsampled(specs: int, stride: int) -> None:
    values = np.random.default_rng(0).normal(size=(9, 8)).astype(np.float32)
    images = keras.Input((9, 8, 1))
    model = keras.Model(images, blur(images, stride, "blur", specs))
    weights = np.outer(BINOMIAL[specs], BINOMIAL[specs]) / sum(BINOMIAL[specs]) ** 2
    before = (specs - 1) // 2
    mirrored = np.pad(values, (before, specs - 1 - before), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, (specs, specs))[::stride, ::stride]
    expected = (windows * weights).sum((-1, -2))
    np.testing.assert_allclose(np.asarray(model(values[None, ..., None]))[0, ..., 0], expected, atol=1e-5)


def test_blur_pooling_takes_the_maximum_first() -> None:
    values = np.random.default_rng(1).normal(size=(8, 8))
    first = pooled(values, "max", stride=1)
    assert first.shape == (7, 7)
    images = keras.Input((7, 7, 1))
    expected = keras.Model(images, blur(images, 2, "blur", 3))(first[None, ..., None])
    np.testing.assert_allclose(pooled(values, "blur"), np.asarray(expected)[0, ..., 0], atol=1e-6)


@pytest.mark.parametrize("kind", ["max", "average", "blur"])
@pytest.mark.parametrize(("side", "size", "stride"), [(8, 2, 2), (9, 2, 2), (13, 3, 2), (2, 2, 2), (3, 2, 2), (3, 3, 2), (5, 2, 1)])
@pytest.mark.parametrize("specs", [2, 7])
def test_all_kinds_give_the_same_size(kind: str, side: int, size: int, stride: int, specs: int) -> None:
    expected = (side - size) // stride + 1
    assert pooled(np.ones((side, side)), kind, size, stride, specs).tolist() == np.ones((expected, expected)).tolist()


def change_by_a_shift(kind: str) -> float:
    """Return how much of a pooled edge pattern changes, at most, where the pattern moves by one pixel."""
    line = np.tile([0.0, 0.0, 1.0, 1.0], 8)  # Zhang's example: a square wave, whose maxima depend on where a window begins
    still, moved = (pooled(np.tile(np.roll(line, shift), (16, 1)), kind)[2:-2, 4:-4] for shift in (0, 1))
    return float(np.abs(still - moved).max())


def test_max_pooling_breaks_shift_invariance_and_blur_pooling_much_less() -> None:
    assert change_by_a_shift("max") == 1.0
    assert change_by_a_shift("blur") == pytest.approx(0.25)


def test_blur_pooling_has_no_weights_and_opens_in_safe_mode(tmp_path: Path) -> None:
    images = keras.Input((9, 9, 2))
    model = keras.Model(images, pool(images, "blur", 3, 2, "pool", 5))
    values = np.random.default_rng(0).normal(size=(2, 9, 9, 2)).astype(np.float32)
    assert not model.weights
    assert np.array_equal(np.asarray(reloaded(model, tmp_path)(values)), np.asarray(model(values)))
