"""Batches of images made on threads, without tf.data, which takes longer to start than to decode dozens of images; of objects too.

Objects are read ahead with many connections, and errors of their storage reach the caller as they are.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import tensorflow as tf

from transfer.config import AugmentConfig, DataConfig
from transfer.data.augment import augment
from transfer.data.storage import contents
from transfer.system.resources import ahead, cores

Batch = tuple[tf.Tensor, tf.Tensor]


def batches(
    files: Sequence[bytes],
    decoder: Callable[[tf.Tensor], tf.Tensor],
    data: DataConfig,
    batch_size: int,
    views: Sequence[tuple[int, int]] | None = None,
    augmentation: AugmentConfig | None = None,
) -> Iterator[Batch]:
    """Yield (position int64 [b], image uint8 [b, size, size, 3]); see `pipeline.batches`. Files may be local ones and objects.

    Raises:
        DataError: if the storage cannot be used any more.
    """

    def image(item: tuple[int, bytes | OSError]) -> tuple[int, tf.Tensor] | None:
        position, encoded = item
        if isinstance(encoded, OSError):
            return None
        try:
            decoded = decoder(tf.constant(encoded))
            if augmentation is not None and views is not None:
                decoded = _view(augmentation)(decoded, tf.constant(views[position], tf.int64))
        except tf.errors.OpError:
            return None
        return position, decoded

    encoded = contents(files, data.connections, data.cache_gb)
    images = ahead(image, enumerate(encoded), cores(), 2 * batch_size)
    batch: list[tuple[int, tf.Tensor]] = []
    try:
        for one in images:
            if one is not None:
                batch.append(one)
            if len(batch) == batch_size:
                yield _stacked(batch)
                batch = []
        if batch:
            yield _stacked(batch)
    finally:
        images.close()
        encoded.close()


def _stacked(batch: Sequence[tuple[int, tf.Tensor]]) -> Batch:
    return tf.constant([position for position, _ in batch], tf.int64), tf.constant(np.stack([image.numpy() for _, image in batch]))


@cache
def _view(augmentation: AugmentConfig) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    def view(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return augment(image, seed, augmentation)

    return tf.function(view, autograph=False, reduce_retracing=True)
