"""Near copies are found, and images of the same shape are not taken for them."""

import io
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from transfer.quality import similarity
from transfer.quality.alignment import agreement, smoothed
from transfer.quality.near_duplicates import Pairs, groups
from transfer.quality.vectors import feature_vectors, standardized, thumbnail_vectors, unit

DISTINCT, COPIED = 600, 60


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=50)
    return Image.open(buffer)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "rescaled": lambda image: image.resize((40, 40), Image.Resampling.BICUBIC),
    "recompressed": recompressed,
    "cropped": lambda image: image.crop((2, 1, 61, 62)),
    "brightness": lambda image: ImageEnhance.Brightness(image).enhance(0.85),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
}


def thumbnail(image: Image.Image) -> np.ndarray:
    whole = image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)
    return np.asarray(whole.resize((32, 32), Image.Resampling.BOX))


@cache
def digits() -> tuple[Image.Image, ...]:
    from sklearn.datasets import load_digits

    pixels = np.round(load_digits().images[:DISTINCT] * (255 / 16)).astype(np.uint8)
    return tuple(Image.fromarray(one).resize((64, 64), Image.Resampling.BICUBIC) for one in pixels)


@cache
def planted() -> tuple[np.ndarray, Pairs]:
    """Digits, then copies of the first ones, each kind in turn: the thumbnails and what is found."""
    changes = list(CHANGES.values())
    changed = [changes[number % len(changes)](image) for number, image in enumerate(digits()[:COPIED])]
    thumbnails = np.stack([thumbnail(image) for image in [*digits(), *changed]])
    return thumbnails, similarity.find({}, thumbnails).pairs


def test_planted_copies_of_digits_are_found_and_hardly_anything_else() -> None:
    _, found = planted()
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    true = {(number, DISTINCT + number) for number in range(COPIED)}
    assert len(pairs & true) >= 0.95 * len(true)
    assert len(pairs & true) >= 0.95 * len(pairs)


def test_the_same_pairs_are_found_whatever_features_say() -> None:
    thumbnails, alone = planted()
    features = {"cut": np.random.default_rng(0).normal(size=(len(thumbnails), 40)), "dead": np.zeros((len(thumbnails), 3))}
    found = similarity.find(features, thumbnails).pairs
    assert set(zip(alone.first, alone.second, strict=True)) <= set(zip(found.first, found.second, strict=True))


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("turned", [False, True], ids=["original first", "copy first"])
def test_a_copy_agrees_with_its_original(how: str, turned: bool) -> None:
    pairs = [(thumbnail(image), thumbnail(CHANGES[how](image))) for image in digits()[:20]]
    thumbnails = smoothed(np.concatenate([np.stack(column) for column in zip(*pairs, strict=True)]))
    first, second = np.arange(20), np.arange(20, 40)
    assert (agreement(thumbnails, *((second, first) if turned else (first, second)), least=0.97) > 0.97).all()


def test_other_digits_do_not_agree() -> None:
    thumbnails = smoothed(np.stack([thumbnail(image) for image in digits()[:40]]))
    assert (agreement(thumbnails, np.arange(20), np.arange(20, 40), least=0.9) < 0.9).all()


def test_a_moved_image_agrees_and_a_mirrored_one_does_not() -> None:
    blots = np.random.default_rng(0).integers(0, 255, (9, 9, 3)).astype(np.uint8)
    wide = Image.fromarray(blots).resize((140, 140), Image.Resampling.BICUBIC)
    whole, moved = wide.crop((20, 20, 120, 120)), wide.crop((24, 17, 123, 118))
    mirrored = whole.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    thumbnails = smoothed(np.stack([thumbnail(part) for part in (whole, moved, mirrored)]))
    like = agreement(thumbnails, np.array([0, 0]), np.array([1, 2]), least=0.5)
    assert like[0] > 0.97
    assert like[1] < 0.5


def test_another_color_is_another_image() -> None:
    pixels = np.zeros((2, 32, 32, 3), np.uint8)
    pixels[0, 8:24, 8:24] = [200, 60, 60]
    pixels[1, 8:24, 8:24] = [60, 200, 60]
    assert len(similarity.find({}, pixels).pairs) == 0


def test_images_of_one_color_are_copies_of_those_with_the_same() -> None:
    colors = np.array([255, 0, 254, 128, 255, 1])
    thumbnails = np.broadcast_to(colors[:, None, None, None], (6, 32, 32, 3)).astype(np.uint8)
    assert groups(6, similarity.find({}, thumbnails).pairs).tolist() == [0, 1, 0, 2, 0, 1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images_are_no_problem(count: int) -> None:
    thumbnails = np.zeros((count, 32, 32, 3), np.uint8)
    assert len(similarity.find({"cut": np.zeros((count, 4), np.float32)}, thumbnails).pairs) == count * (count - 1) // 2


def test_smoothing_keeps_a_plain_image() -> None:
    assert (smoothed(np.full((2, 8, 8, 3), 255, np.uint8)) == 255).all()


def test_features_lose_their_common_mean_and_each_cut_weighs_the_same() -> None:
    random = np.random.default_rng(0)
    small, large = random.normal(size=(100, 300)), 1000 + 50 * random.normal(size=(100, 5))
    table = feature_vectors({"small": small, "large": large}, width=20)
    assert table.shape == (100, 25)
    assert np.linalg.norm(table, axis=1) == pytest.approx(np.ones(100), abs=1e-4)
    assert (table[:, :20] ** 2).sum(axis=1) == pytest.approx(np.full(100, 0.5), abs=1e-4)
    assert np.abs((table @ table.T)[~np.eye(100, dtype=bool)].mean()) < 0.05


def test_values_that_do_not_vary_become_zeros() -> None:
    table = standardized(np.array([[1e6, 1.0], [1e6, 3.0]]))
    assert table.tolist() == [[0, -1], [0, 1]]
    assert unit(np.zeros((1, 2), np.float32)).tolist() == [[0, 0]]


def test_glances_are_compared_by_coarse_brightness_less_its_mean() -> None:
    thumbnails = np.random.default_rng(0).integers(0, 100, (3, 32, 32, 3)).astype(np.uint8)
    thumbnails[1] = thumbnails[0] + 50
    thumbnails[2] = 7
    table = thumbnail_vectors(thumbnails)
    assert table.shape == (3, 256)
    assert table[1] == pytest.approx(table[0], abs=1e-4)
    assert not table[2].any()


def test_figures_of_one_kind_are_counted_as_alike_and_a_copy_among_them_is_found() -> None:
    """Stripes of slightly different widths and places: like many others, but not copies."""
    random = np.random.default_rng(0)
    across = np.linspace(-1, 1, 128)
    figures = []
    for width, place, slope in random.uniform([0.3, -0.1, -0.06], [0.4, 0.1, 0.06], (80, 3)):
        inside = np.abs(across[None] - place - slope * across[:, None]) < width
        figures.append(Image.fromarray((inside * 230).astype(np.uint8)))
    thumbnails = np.stack([thumbnail(image) for image in [*figures, recompressed(figures[0])]])
    found, every = similarity.find({}, thumbnails), similarity.find({}, thumbnails, ratio=1)
    assert (0, 80) in set(zip(found.pairs.first.tolist(), found.pairs.second.tolist(), strict=True))
    assert found.alike > 20
    assert len(every.pairs) == len(found.pairs) + found.alike
    assert every.alike == 0
