"""Images of other data: digits and parts of photographs, unless they were trained on."""

import hashlib
import io

import numpy as np
from PIL import Image

from transfer.data import digits
from transfer.evaluation import ood_images


def test_both_kinds_come_as_images_that_can_be_opened() -> None:
    found = ood_images.images(4, set())
    assert {name: len(files) for name, files in found.items()} == {"handwritten digits": 4, "parts of photographs": 4}
    sizes = {name: [Image.open(io.BytesIO(file)).size for file in files] for name, files in found.items()}
    assert set(sizes["handwritten digits"]) == {(8, 8)}
    assert all(96 <= width == height < 300 for width, height in sizes["parts of photographs"])
    assert len({np.asarray(Image.open(io.BytesIO(file))).tobytes() for file in found["parts of photographs"]}) == 4


def test_the_same_seed_gives_the_same_images() -> None:
    assert ood_images.images(3, set(), 5) == ood_images.images(3, set(), 5) != ood_images.images(3, set(), 6)


def test_digits_are_left_out_where_they_were_trained_on() -> None:
    seen = {hashlib.sha256(digits.images()[1000]).hexdigest()}
    assert set(ood_images.images(2, seen)) == {"parts of photographs"}


def test_a_count_of_zero_gives_none() -> None:
    assert ood_images.images(0, set()) == {}
