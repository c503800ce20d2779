"""Blurred images, and those in grey at half the size."""

import numpy as np

from transfer.quality.smoothed import blurred, grey, halved, smoothed


def test_smoothing_keeps_a_plain_image() -> None:
    assert (blurred(np.full((2, 8, 8, 3), 255, np.uint8)) == 255).all()


def test_coarse_images_are_those_of_floats_to_the_last_bit() -> None:
    thumbnails = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3)).astype(np.uint8)
    expected = grey(halved(blurred(thumbnails)))
    assert smoothed(thumbnails).coarse(np.arange(50)).tobytes() == expected.tobytes()
