"""The heat map over an image: transparent where cold, brighter where hotter, in its place, and never outside its range."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from transfer.reports import heat


def test_cold_places_are_transparent_and_hot_ones_are_not() -> None:
    alpha = np.asarray(heat.rgba(np.array([[0, 0, 0], [0, 0, 0], [0, 0, 1.0]], np.float32), 90))[..., 3]
    assert (alpha[:30, :30] == 0).all()
    assert alpha[80:, 80:].min() > 150
    assert alpha.max() <= round(255 * heat.OPACITY)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 3), (3, 0), (3, 3), (1, 2)])
def test_the_hottest_place_lies_where_the_map_has_it(row: int, column: int) -> None:
    values = np.zeros((4, 4), np.float32)
    values[row, column] = 1
    alpha = np.asarray(heat.rgba(values, 64))[..., 3].astype(float)
    y, x = (np.average(np.arange(64), weights=alpha.sum(axis)) for axis in (1, 0))
    assert abs(y - (16 * row + 7.5)) < 3
    assert abs(x - (16 * column + 7.5)) < 3


def test_a_map_of_zeros_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(heat.overlay(image, np.zeros((7, 7)))), image)


def test_the_image_shines_through_the_hottest_place() -> None:
    black, white = (np.full((8, 8, 3), value, np.uint8) for value in (0, 255))
    hot = np.ones((2, 2))
    difference = np.asarray(heat.overlay(white, hot)).astype(int) - np.asarray(heat.overlay(black, hot))
    assert difference.min() > 40


def test_hotter_is_lighter_for_every_kind_of_eye() -> None:
    """Lightness alone orders the colours, so that colour vision is not needed."""
    lightness = heat.COLOURS @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 5).all()


def test_the_colours_are_those_of_matplotlibs_plasma() -> None:
    import matplotlib

    expected = 255 * matplotlib.colormaps["plasma"](np.linspace(0, 0.9, len(heat.COLOURS)))[:, :3]
    np.testing.assert_allclose(heat.COLOURS, expected, atol=16)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, -3.0, 7.0])
def test_values_that_are_no_heat_are_clipped(odd: float) -> None:
    image = np.asarray(heat.rgba(np.array([[odd, 0.0], [0.0, 0.0]]), 16))
    assert image.shape == (16, 16, 4)
    assert image[15, 15, 3] == 0


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1, width=32)),
    st.integers(1, 70),
)
@settings(max_examples=30, deadline=None)
def test_any_map_fits_any_image(values: np.ndarray, side: int) -> None:
    image = heat.rgba(values, side)
    assert image.mode == "RGBA"
    assert image.size == (side, side)
    assert np.asarray(image)[..., 3].max() <= round(255 * heat.OPACITY)
    assert heat.overlay(np.zeros((side, side, 3), np.uint8), values).size == (side, side)


def test_importing_it_loads_nothing_slow() -> None:
    program = "import sys, transfer.reports.heat; sys.exit(bool({'matplotlib', 'pandas', 'tensorflow', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
