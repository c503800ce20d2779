"""Live views: a new view of each image in every epoch, named by image, epoch and seed alone."""

import numpy as np
import tensorflow as tf

from transfer.config import AugmentConfig
from transfer.data.augment import augment, view_seed
from transfer.features.arrays import StoredRows
from transfer.features.store import FeatureSet, key, open_store
from transfer.training.batches import Batches, Live

SIDE, COUNT, SEED = 8, 7, 3
DIGESTS = [f"{number:064x}" for number in range(COUNT)]
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3)).astype(np.uint8)
LIMITS = AugmentConfig(live=True)


def epochs(first: int, count: int, memory: int = 1 << 20) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (images, class numbers) of each batch of some epochs."""
    with open_store(FeatureSet("pixels", "", SIDE, "stretch", "1", "uint8")) as store:
        keys = [key(digest, "0", "pixels") for digest in DIGESTS]
        store.put({name: image.tobytes() for name, image in zip(keys, IMAGES, strict=True)})
        rows = StoredRows(store, [keys], [SIDE**2 * 3], np.dtype(np.uint8), memory)
        live = Live(DIGESTS, LIMITS, SEED)
        batches = Batches(rows, np.arange(COUNT), COUNT, 3, (SIDE, SIDE, 3), np.ones(COUNT, np.float32), SEED, live)
        return [(images.numpy(), labels.numpy().argmax(1)) for images, labels, _ in batches.dataset(count, first)]


def test_each_row_is_the_view_that_image_epoch_and_seed_name() -> None:
    seen = 0
    for number, (images, labels) in enumerate(epochs(2, 1)):
        assert images.dtype == np.float32 and len(images) == (3, 3, 1)[number]
        for image, label in zip(images, labels, strict=True):
            expected = augment(tf.constant(IMAGES[label]), tf.constant(view_seed(DIGESTS[label], 3, SEED)), LIMITS)
            np.testing.assert_array_equal(image, expected.numpy().astype(np.float32))
            seen += 1
    assert seen == COUNT


def test_epochs_differ_and_one_that_is_taken_up_later_is_the_same() -> None:
    both = epochs(0, 2)
    again = epochs(1, 1)
    assert not np.array_equal(both[0][0][both[0][1].argsort()], both[3][0][both[3][1].argsort()])
    for (a, _), (b, _) in zip(both[3:], again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_read_from_the_store_give_the_same_views() -> None:
    for (a, _), (b, _) in zip(epochs(0, 1), epochs(0, 1, memory=0), strict=True):
        np.testing.assert_array_equal(a, b)
