"""Near duplicates agree once they are aligned; different images do not."""

import numpy as np
import pytest
from PIL import Image

from tests.quality.made_up_duplicates import CHANGES, digits, thumbnail
from transfer.quality.alignment import agreement
from transfer.quality.smoothed import smoothed


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("turned", [False, True], ids=["original first", "duplicate first"])
def test_a_near_duplicate_agrees_with_its_original(how: str, turned: bool) -> None:
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
