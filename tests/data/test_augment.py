"""Augmented views: deterministic, different, within their settings."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.decoding import encoders as e
from transfer.config import AugmentConfig
from transfer.data.augment import augment, settings_tag, view_seed, view_seeds

DEFAULT = AugmentConfig()
NOTHING = AugmentConfig(flip=False, crop=0, color=0, rotation=0)
SIZE = 33
IMAGE = e.smooth(SIZE, SIZE)
DIGEST = "0" * 64


def view(number: int, config: AugmentConfig = DEFAULT, image: np.ndarray = IMAGE, seed: int = 0) -> np.ndarray:
    return np.asarray(augment(tf.constant(image), tf.constant(view_seed(DIGEST, number, seed), tf.int64), config)).astype(int)


def only(**limits: float | bool) -> AugmentConfig:
    return NOTHING.model_copy(update=limits)


def test_the_same_view_has_the_same_pixels_in_eager_graph_and_dataset() -> None:
    seeds = tf.constant([view_seed(DIGEST, number, 0) for number in range(1, 9)], tf.int64)
    eager = np.stack([view(number) for number in range(1, 9)])
    graph = tf.function(lambda seed: augment(tf.constant(IMAGE), seed, DEFAULT))
    dataset = tf.data.Dataset.from_tensor_slices(seeds).map(lambda seed: augment(tf.constant(IMAGE), seed, DEFAULT), num_parallel_calls=2)
    assert (np.stack([graph(seed) for seed in seeds]) == eager).all()
    assert (np.stack(list(dataset)) == eager).all()
    assert (np.stack([view(number) for number in range(1, 9)]) == eager).all()


@pytest.mark.parametrize(
    "config", [DEFAULT, only(crop=0.2), only(color=0.2), only(rotation=10.0)], ids=["all", "crop", "color", "rotation"]
)
def test_different_views_and_seeds_differ(config: AugmentConfig) -> None:
    views = [view(number, config, seed=seed) for number in range(1, 6) for seed in (0, 1)]
    assert len({image.tobytes() for image in views}) == len(views)


@pytest.mark.parametrize("size", [8, 33])
def test_with_all_settings_zero_a_view_is_the_image(size: int) -> None:
    image = e.smooth(size, size)
    assert all((view(number, NOTHING, image) == image).all() for number in range(1, 6))


def test_a_flip_mirrors_about_half_of_the_views_and_changes_nothing_else() -> None:
    views = [view(number, only(flip=True)) for number in range(1, 41)]
    mirrored = [(image == IMAGE[:, ::-1]).all() for image in views]
    assert all((image == IMAGE).all() for image, is_mirrored in zip(views, mirrored, strict=True) if not is_mirrored)
    assert 10 < sum(mirrored) < 30


@pytest.mark.parametrize("limit", [0.1, 0.5])
def test_a_crop_keeps_the_share_that_was_asked_for_and_stays_inside(limit: float) -> None:
    ramp = np.zeros((SIZE, SIZE, 3), np.uint8)
    ramp[:, :, 0], ramp[:, :, 1] = np.arange(SIZE) * 7, np.arange(SIZE)[:, None] * 7
    kept = []
    for number in range(1, 41):
        columns, rows, _ = np.moveaxis(view(number, only(crop=limit), ramp), 2, 0)
        assert (np.diff(columns[0]) >= 0).all()  # nothing was reflected at an edge
        assert (np.diff(rows[:, 0]) >= 0).all()
        kept += [np.ptp(columns[0]) / np.ptp(ramp), np.ptp(rows[:, 0]) / np.ptp(ramp)]
    assert min(kept) >= 1 - limit - 0.02
    assert min(kept) < 1 - 0.7 * limit
    assert max(kept) <= 1


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("limit", [5.0, 30.0])
def test_a_rotation_turns_about_the_centre_by_at_most_its_limit(limit: float, flip: bool) -> None:
    point = np.zeros((SIZE, SIZE, 3), np.uint8)
    centre, distance = SIZE // 2, 12
    point[centre - 1 : centre + 2, centre + distance - 1 : centre + distance + 2] = 255
    angles = []
    for number in range(1, 41):
        weights = view(number, only(rotation=limit, flip=flip), point)[:, :, 0]
        row, column = (np.sum(axis * weights) / weights.sum() - centre for axis in np.mgrid[:SIZE, :SIZE])
        assert np.hypot(row, column) == pytest.approx(distance, abs=0.3)
        angles.append(np.degrees(np.arctan2(row, abs(column) if flip else column)))
    assert np.abs(angles).max() <= limit + 1
    assert min(angles) < -limit / 2
    assert max(angles) > limit / 2


@pytest.mark.parametrize("limit", [0.1, 0.3])
def test_colour_changes_the_brightness_by_at_most_its_limit(limit: float) -> None:
    grey = np.full((SIZE, SIZE, 3), 150, np.uint8)
    means = [view(number, only(color=limit), grey).mean() for number in range(1, 41)]
    assert min(means) >= 150 * (1 - limit) - 1
    assert max(means) <= 150 * (1 + limit) + 1
    assert min(means) < 150 * (1 - limit / 2)
    assert max(means) > 150 * (1 + limit / 2)


def test_views_are_as_bright_as_the_image_on_average() -> None:
    means = [view(number).mean() for number in range(1, 61)]
    assert np.mean(means) == pytest.approx(IMAGE.mean(), rel=0.05)


def test_edges_stay_within_the_image_s_values() -> None:
    white = np.full((SIZE, SIZE, 3), 255, np.uint8)
    for number in range(1, 11):
        assert (view(number, AugmentConfig(color=0, rotation=180.0), white) == 255).all()


@given(st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 64), st.integers(0, 2**31 - 1))
@settings(max_examples=50, deadline=None)
def test_seeds_are_31_bits_and_depend_on_digest_view_and_seed(digest: str, number: int, seed: int) -> None:
    seeds = view_seed(digest, number, seed)
    assert seeds == view_seed(digest, number, seed)
    assert all(0 <= value < 2**31 for value in seeds)
    others = [view_seed(digest[::-1] + "x", number, seed), view_seed(digest, number + 1, seed), view_seed(digest, number, seed + 1)]
    assert seeds not in others


def test_the_tag_tells_all_settings_apart() -> None:
    configs = [DEFAULT, *(AugmentConfig(**{key: value}) for key, value in [("flip", False), ("crop", 0.1), ("color", 0.1)])]
    configs += [AugmentConfig(rotation=5.0), AugmentConfig(crop=0.2000001)]
    tags = [settings_tag(config, seed) for config in configs for seed in (0, 1)]
    assert len(set(tags)) == len(tags)
    assert settings_tag(AugmentConfig(views=3), 0) == settings_tag(AugmentConfig(views=5), 0)


@pytest.mark.parametrize("count", [0, 1, 9])
def test_seeds_of_many_images_are_those_of_each_as_they_always_were(count: int) -> None:
    digests = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(count)]
    mixed = [hashlib.sha256(f"{digest}/3/7".encode()).digest() for digest in digests]
    expected = [(int.from_bytes(one[:4], "big") >> 1, int.from_bytes(one[4:8], "big") >> 1) for one in mixed]
    assert [tuple(seeds) for seeds in view_seeds(digests, 3, 7).tolist()] == expected == [view_seed(digest, 3, 7) for digest in digests]
    assert view_seeds(digests, 3, 7).shape == (count, 2)
