"""Manifest rows -> tf.data: images are read and decoded in parallel with the network."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np
import pandas as pd
import tensorflow as tf

from transfer.config import AugmentConfig, DataConfig
from transfer.data import threaded_batches
from transfer.data.augment import augment
from transfer.data.changed import Row, each, why_changed
from transfer.data.decoding import DECODER_VERSION
from transfer.data.decoding.decode import decode
from transfer.data.decoding.examination import not_whole
from transfer.data.decoding.resize import MODES
from transfer.data.decoding.to_8_bits import Range, range_of, range_text
from transfer.data.decoding.transcode import transcoded_path
from transfer.data.sources.tfds import cache as tfds_cache
from transfer.data.storage import CHANGED, Root, is_remote, name_with_digest, read_bytes
from transfer.system.resources import spread
from transfer.system.sealed import is_whole
from transfer.system.sequences import Made

_TOGETHER, _ONE_BY_ONE = 4096, 64  # files whose names are made together; images up to which no graph is built
_FEW, _FEW_PIXELS = 256, 64 * 224**2  # images, and pixels of all, up to which tf.data is not worth its start


@dataclass(frozen=True)
class ImageSpec:
    """How files become images: side of the square image in pixels, and settings of the decoder."""

    size: int
    data: DataConfig = field(default_factory=DataConfig)

    @property
    def value_range(self) -> Range | None:
        """The values of images of more than 8 bits that become 0 to 255; None: each type's own range."""
        return self.data.value_range if isinstance(self.data.value_range, tuple) else None

    @property
    def decoder(self) -> str:
        """The version of the decoder: this package's, and that of TensorFlow, whose libraries it calls; and the value range."""
        values = f"/{range_text(self.value_range)}" if self.value_range is not None else ""
        return f"{DECODER_VERSION}/tensorflow-{'.'.join(tf.__version__.split('.')[:2])}{values}"


def file_of(root: Root, row: Row) -> bytes:
    """Return the path of the bytes to decode: the user's file, or its PNG in the cache, which is made again if it is damaged."""
    if row["status"] != "transcoded":
        file = os.fsencode(root / str(row["path"]))
        return name_with_digest(file, str(row["digest"])) if is_remote(root) else file
    png = transcoded_path(str(row["digest"]), _range_of(row))
    if not is_whole(png) and why_changed(root, row):  # which makes it again, if the user's file is as it was
        png.unlink(missing_ok=True)
    return os.fsencode(png)


def _range_of(row: Row) -> Range | None:
    return range_of(str(row.get("value_range", "")))


def files_of(root: Root, rows: pd.DataFrame) -> list[bytes]:
    """Return `file_of` for each row.

    Raises:
        DataError: if one is a damaged copy of an image of a TFDS data set; see `cache.require_whole`.
    """
    restore(root, rows)
    return list(names_of(root, rows))


def restore(root: Root, rows: pd.DataFrame) -> None:
    """Make the PNGs in the cache again that are missing or damaged.

    Raises:
        DataError: as `files_of`.
    """
    tfds_cache.require_whole(root, zip(rows["path"], rows["digest"], strict=True))
    transcoded = rows[rows["status"] == "transcoded"]
    for start in range(0, len(transcoded), _TOGETHER):
        spread(partial(file_of, root), each(transcoded.iloc[start : start + _TOGETHER]))


def names_of(root: Root, rows: pd.DataFrame) -> Made[bytes]:
    """Return the paths that `file_of` returns, without a look at the files."""
    paths, digests, start = rows["path"].to_numpy(object), rows["digest"].to_numpy(object), os.fsencode(root / "x")[:-1]
    ranges = rows["value_range"].to_numpy(object) if "value_range" in rows else np.full(len(rows), "", object)
    transcoded, remote = (rows["status"] == "transcoded").to_numpy(), is_remote(root)

    def made(numbers: np.ndarray) -> list[bytes]:
        files = [start + os.fsencode(path) for path in paths[numbers]]
        if remote:
            files = [name_with_digest(file, digest) for file, digest in zip(files, digests[numbers], strict=True)]
        for place in np.flatnonzero(transcoded[numbers]).tolist():
            number = numbers[place]
            files[place] = os.fsencode(transcoded_path(digests[number], range_of(ranges[number])))
        return files

    return Made(len(rows), made)


def batches(
    files: Sequence[bytes],
    image_spec: ImageSpec,
    batch_size: int,
    views: Sequence[tuple[int, int]] | None = None,
    augmentation: AugmentConfig | None = None,
) -> Iterable[tuple[tf.Tensor, tf.Tensor]]:
    """Return batches (position int64 [b], image uint8 [b, size, size, 3]), in the order of `files`.

    Files that cannot be read or decoded are left out of the batches, and so are their positions.

    Args:
        files: paths, names of objects, and PNGs in the cache.
        image_spec: size and settings of the decoder.
        batch_size: images per batch; the last batch may be smaller.
        views: seeds of the view of each file (`augment.view_seed`); None: the plain images.
        augmentation: limits of the views.

    Raises:
        DataError: while iterating, if object storage cannot be used any more.
    """
    few = augmentation is None and len(files) <= _FEW and len(files) * image_spec.size**2 <= _FEW_PIXELS
    if few or _are_remote(files):
        return threaded_batches.batches(files, decoder_of(image_spec, len(files)), image_spec.data, batch_size, views, augmentation)
    decoder = decoder_of(image_spec)

    @tf.autograph.experimental.do_not_convert
    def decoded(position: tf.Tensor, file: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = decoder(tf.io.read_file(file))
        return position, image if augmentation is None else augment(image, seed, augmentation)

    workers = os.cpu_count() or 1
    dataset = _listed(files, views if augmentation else None)
    dataset = dataset.map(decoded, num_parallel_calls=workers, deterministic=True).ignore_errors(log_warning=False)
    options = tf.data.Options()
    options.autotune.enabled = False  # all parallelism is set explicitly
    options.threading.private_threadpool_size = workers
    return dataset.batch(batch_size).prefetch(2).with_options(options)


def _listed(files: Sequence[bytes], views: Sequence[tuple[int, int]] | None) -> tf.data.Dataset:
    """Return position, path and seeds of each file; of many, a part at a time, so that never all are in memory."""

    def part(start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        some = files[start : start + _TOGETHER]
        seeds = np.array(views[start : start + _TOGETHER] if views is not None else np.zeros((len(some), 2)), np.int64)
        names = np.empty(len(some), object)
        names[:] = some
        return np.arange(start, start + len(some)), names, seeds.reshape(-1, 2)

    if len(files) <= _TOGETHER:
        numbers, names, seeds = part(0)
        return tf.data.Dataset.from_tensor_slices((numbers, tf.constant(names, tf.string, shape=names.shape), seeds))
    signature = (tf.TensorSpec([None], tf.int64), tf.TensorSpec([None], tf.string), tf.TensorSpec([None, 2], tf.int64))
    parts = tf.data.Dataset.from_generator(lambda: map(part, range(0, len(files), _TOGETHER)), output_signature=signature)
    return parts.flat_map(lambda *rows: tf.data.Dataset.from_tensor_slices(rows))


def _are_remote(files: Sequence[bytes]) -> bool:
    """Return whether some are objects: the first one says so that is not a PNG in the cache."""
    cache = os.fsencode(transcoded_path("").parents[1])
    return is_remote(next((file for file in files if not file.startswith(cache)), b""))


def decoder_of(image_spec: ImageSpec, images: int | None = None) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the decoder: string scalar -> uint8 [size, size, 3]; see `decode.decode`.

    For a few `images` it is not compiled: to build its graph takes a second, to go through its operations one by one some milliseconds.
    """
    size, settings = image_spec.size, image_spec.data

    def one_by_one(image_bytes: tf.Tensor) -> tf.Tensor:
        with tf.device("CPU:0"):  # on a GPU the last bits may differ
            return decode(image_bytes, size, settings.resize, settings.max_megapixels, image_spec.value_range)

    if images is not None and images <= _ONE_BY_ONE:
        return one_by_one
    decoder, mode = _decoder(settings.max_megapixels, image_spec.value_range), MODES.index(settings.resize)
    return lambda image_bytes: tf.ensure_shape(decoder(image_bytes, tf.constant(size), tf.constant(mode)), [size, size, 3])


@cache
def _decoder(max_megapixels: float, value_range: Range | None) -> tf.types.experimental.ConcreteFunction:
    """Return `decode` for any size and mode, traced once: tracing takes longer than decoding dozens of images."""

    def decoder(image_bytes: tf.Tensor, size: tf.Tensor, mode: tf.Tensor) -> tf.Tensor:
        return decode(image_bytes, size, mode, max_megapixels, value_range)

    signature = [tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.int32)]
    with tf.device("CPU:0"):
        return tf.function(decoder, autograph=False, input_signature=signature).get_concrete_function()


def why_undecodable(file: bytes, image_spec: ImageSpec) -> str:
    """Decode one file again and return why it fails; empty if it does not."""
    try:
        # Not with TensorFlow, whose message would contain the path, which may not be valid Unicode.
        data = read_bytes(file)
    except FileNotFoundError:
        return "vanished while the folder was read"
    except OSError as error:
        return CHANGED if error.strerror == CHANGED else f"cannot be read: {error.strerror}"
    try:
        decoder_of(image_spec, images=1)(tf.constant(data))
    except tf.errors.OpError as error:
        return refusal(error, data)
    return ""


def refusal(error: tf.errors.OpError, data: bytes) -> str:
    """Return the reason why `decode` raised this error for these bytes."""
    if not isinstance(error, tf.errors.InvalidArgumentError):
        return f"cannot be decoded: {not_whole(data)}"
    hidden = "more pixels" in str(error)
    return f"damaged: {'its header hides how large it is' if hidden else not_whole(data)}"
