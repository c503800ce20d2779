"""Thumbnails: a few pixels of each image."""

import numpy as np
import pytest
import tensorflow as tf

from transfer.features.thumbnails import SIDE, thumbnail


@pytest.mark.parametrize("size", [8, SIDE, 3 * SIDE, 224])
def test_a_thumbnail_keeps_one_colour_whatever_the_size(size: int) -> None:
    batch = np.broadcast_to(np.array([9, 200, 30], np.uint8), (2, size, size, 3))
    assert (
        thumbnail(tf.constant(batch)).reshape(2, SIDE, SIDE, 3).tolist() == np.broadcast_to(batch[:, :1, :1], (2, SIDE, SIDE, 3)).tolist()
    )


def test_a_thumbnail_consists_of_means_of_areas() -> None:
    image = np.random.default_rng(0).integers(0, 256, (2 * SIDE, 2 * SIDE, 3), dtype=np.uint8)
    means = image.reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3))
    seen = thumbnail(tf.constant(image[None])).reshape(SIDE, SIDE, 3)
    assert np.abs(seen - means).max() <= 0.5
