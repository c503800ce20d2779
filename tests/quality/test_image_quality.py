"""Images that show little are found by their thumbnails, and ordinary ones are not."""

import numpy as np
import pytest
from PIL import Image, ImageFilter
from sklearn.datasets import load_sample_image

from transfer.config import CheckConfig
from transfer.quality import image_quality


def small(image: Image.Image) -> np.ndarray:
    """Return a thumbnail as the store has it: of the network's 224 pixels."""
    return np.asarray(image.resize((224, 224)).resize((32, 32), Image.Resampling.BOX))


def kind(image: Image.Image, config: CheckConfig | None = None) -> str:
    found = image_quality.find(small(image)[np.newaxis], config or CheckConfig())
    kinds = [name for name, is_it in found.items() if is_it[0]]
    assert len(kinds) <= 1
    return "".join(kinds)


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    return Image.fromarray(load_sample_image("china.jpg"))


def test_a_photograph_and_a_drawing_are_ordinary(photograph: Image.Image) -> None:
    drawing = Image.new("RGB", (200, 200), "white")
    drawing.paste((200, 30, 30), (60, 50, 150, 160))
    assert kind(photograph) == kind(drawing) == ""


def test_dark_blurred_blank_and_nearly_empty_images_are_told_apart(photograph: Image.Image) -> None:
    assert kind(photograph.point(lambda value: value * 0.1)) == "dark"
    assert kind(photograph.filter(ImageFilter.GaussianBlur(20))) == "blurred"
    assert kind(Image.new("RGB", (90, 90), (9, 200, 30))) == "blank"
    dot = Image.new("RGB", (320, 320), "white")
    dot.paste("black", (150, 150, 160, 160))
    assert kind(dot) == "low information"


def test_low_contrast_alone_is_not_blurred(photograph: Image.Image) -> None:
    assert kind(photograph.point(lambda value: 110 + value * 0.1)) == ""


def test_the_limits_are_those_of_the_configuration(photograph: Image.Image) -> None:
    assert kind(photograph, CheckConfig(dark=1.0)) == "dark"
    assert kind(photograph, CheckConfig(blurred=5.0)) == "blurred"
    assert kind(photograph, CheckConfig(low_information=8.0)) == "low information"


def test_an_image_of_one_colour_is_blank_and_one_of_two_is_not() -> None:
    blank = np.full((32, 32, 3), (9, 200, 30), np.uint8)
    other = blank.copy()
    other[4, 5] = 0
    assert image_quality.of_one_color(np.stack([blank, other])).tolist() == [True, False]


def test_blocks_of_images_are_put_together_and_none_is_no_error() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    config = CheckConfig()
    parts = [image_quality.find(images[some], config) for some in (slice(0, 3), slice(3, 5))]
    whole = image_quality.find(images, config)
    assert all((image_quality.joined(parts)[name] == whole[name]).all() for name in whole)
    assert image_quality.joined([]) == {}
    assert all(len(found) == 0 for found in image_quality.find(images[:0], config).values())
    assert image_quality.entropy(np.zeros((1, 4, 4), np.float32)).tolist() == [0.0]
