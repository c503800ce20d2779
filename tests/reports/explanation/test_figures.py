"""Figures of `transfer explain`: filters around grey, channels each on its own scale, the words on an image."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from transfer.reports.explanation import figures, text


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@given(st.integers(1, 70), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_every_tile_lies_in_the_mosaic_and_only_gaps_are_empty(count: int, height: int, width: int, gap: int) -> None:
    tiles = np.arange(1, count + 1, dtype=np.float32)[:, None, None] * np.ones((1, height, width), np.float32)
    image = figures.mosaic(tiles, gap)
    values, numbers = np.unique(image[~np.isnan(image)], return_counts=True)
    np.testing.assert_array_equal(values, np.arange(1, count + 1))
    np.testing.assert_array_equal(numbers, height * width)


def test_tiles_of_colour_keep_their_channels() -> None:
    assert figures.mosaic(np.zeros((5, 3, 4, 3)), 2).shape == (2 * 3 + 2, 3 * 4 + 4, 3)


def test_a_weight_of_zero_is_mid_grey_and_the_largest_of_either_sign_an_end() -> None:
    kernels = np.array([[0.0, 0.5, -2.0], [0.0, 3.0, 1.0]]).reshape(2, 1, 3, 1)
    np.testing.assert_allclose(figures.centred(kernels)[0, 0, :, 0], [0.5, 0.625, 0.0])
    np.testing.assert_allclose(figures.centred(kernels)[1, 0, :, 0], [0.5, 1.0, 0.5 + 1 / 6])


def test_a_filter_of_zeros_is_grey() -> None:
    assert (figures.centred(np.zeros((1, 3, 3, 3))) == 0.5).all()


def test_each_channel_has_its_own_scale_and_a_flat_one_is_dark() -> None:
    maps = np.stack([np.arange(4).reshape(2, 2), 100 + np.arange(4).reshape(2, 2), np.full((2, 2), 7)], -1)
    tiles = figures.spread(maps)
    np.testing.assert_allclose(tiles[0], tiles[1])
    assert tiles[0].min() == 0
    assert tiles[0].max() == 1
    assert (tiles[2] == 0).all()


def test_the_channels_that_vary_most_are_shown_in_the_networks_order() -> None:
    maps = np.zeros((2, 2, 5))
    for channel, height in enumerate([1, 5, 0, 9, 2]):
        maps[0, 0, channel] = height
    np.testing.assert_array_equal(figures.most_varied(maps, 3), [1, 3, 4])
    np.testing.assert_array_equal(figures.most_varied(maps, 9), range(5))


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_become_a_png(channels: int) -> None:
    kernels = np.random.default_rng(0).normal(size=(70, 5, 5, channels))
    image = opened(figures.filters("conv", kernels, False))
    assert image.format == "PNG"
    assert min(image.size) > 500


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 7, 100), (40, 60, 6), (1, 5, 2)])
def test_maps_of_any_shape_become_a_png(shape: tuple[int, int, int]) -> None:
    assert opened(figures.activations("a$b", np.random.default_rng(0).normal(size=shape))).format == "PNG"


def test_the_figure_has_a_panel_for_each_class() -> None:
    image = np.full((16, 16, 3), 128, np.uint8)
    views = [figures.View(name, 0.5, np.eye(4)) for name in ("a", "b")]
    one, two = (opened(figures.heat_maps("x.png", image, views[:count], 0.5)) for count in (1, 2))
    assert two.width > 1.3 * one.width
    assert two.height == one.height


def test_names_that_would_break_the_drawing_do_not() -> None:
    name = "a$_{b\n\x1b[31m\udce9 " + "long " * 40
    view = figures.View(name, 1.0, np.zeros((2, 2)))
    assert opened(figures.heat_maps(name, np.zeros((8, 8, 3), np.uint8), [view], 2.0)).format == "PNG"


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "0.0 %"), (1e-6, "< 0.1 %"), (0.5, "50.0 %"), (0.9994, "99.9 %"), (0.99999, "> 99.9 %"), (1.0, "100.0 %")]
)
def test_a_probability_is_never_rounded_to_certainty(share: float, words: str) -> None:
    assert figures.probability(share) == words


def row(number: int, error: str = "") -> dict[str, object]:
    return {"path": f"in/{number}.png", "label": "cat", "score": 0.5, "file": f"{number}.png", "error": error}


def test_the_text_counts_and_names_what_failed() -> None:
    said = text.block("out", "the 6 filters of c1, 5x5", ["c1", "s4"], [*(row(i) for i in range(12)), row(99, "not an image")])
    assert said.startswith("12 images explained, 1 not: out\n")
    assert "filters.png shows the 6 filters of c1, 5x5." in said
    assert "c1, s4" in said
    assert "  and 2 more" in said
    assert said.endswith("not explained: in/99.png (not an image)")


def test_the_text_says_what_there_is_not() -> None:
    said = text.block("out", "", [], [row(0)])
    assert "no first filters" in said
    assert "no activations" in said
