"""What the tests of feature extraction share: a feature extractor that is not a network, and passes that are interrupted."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from transfer.config import DataConfig
from transfer.data import pipeline, sources
from transfer.data.pipeline import ImageSpec
from transfer.features.extraction import compute_missing
from transfer.features.store import FeatureSet, Store, key
from transfer.features.tasks import ONLY_PLAIN, PLAIN, Views
from transfer.system.progress import Advance, Silent

SIZE, BATCH = 16, 4


class FeatureExtractor:
    """Stands for a network: means of the pixels, and of the whole batch, so that a batch made otherwise would show."""

    outputs = ("means", "batch")

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.batches: list[int] = []
        self.interrupt_at = interrupt_at

    def __call__(self, images: tf.Tensor) -> list[np.ndarray]:
        if self.interrupt_at == len(self.batches):
            raise KeyboardInterrupt
        pixels = images.numpy().astype(np.float32)
        self.batches.append(len(pixels))
        of_each = pixels.mean((1, 2))
        return [of_each, np.repeat(of_each.mean(0, keepdims=True), len(pixels), 0)]


class Interrupting(Silent):
    """Ctrl-C after so many batches were stored."""

    def __init__(self, after: int) -> None:
        self.after = after

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += 1
            if done == self.after:
                raise KeyboardInterrupt

        yield advance


def scan(root: Path) -> pd.DataFrame:
    manifest = sources.read(DataConfig(source=str(root)), Silent()).table
    return manifest[manifest["reason"] == ""]


def run(
    rows: pd.DataFrame,
    root: Path,
    store: Store,
    extractor: FeatureExtractor | None = None,
    views: Views | None = None,
    progress: Silent | None = None,
) -> tuple[dict[int, str], FeatureExtractor]:
    extractor = extractor or FeatureExtractor()
    outputs, views = extractor.outputs, views or ONLY_PLAIN
    failures = compute_missing(rows, root, ImageSpec(SIZE), outputs, extractor, BATCH, store, progress or Silent(), views)
    return failures, extractor


def decode_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a decoder of few nodes take the place of the package's; what was traced with it is not kept for other tests."""
    monkeypatch.setattr(pipeline, "decode", _decode)
    monkeypatch.setattr(pipeline, "_decoder", functools.cache(pipeline._decoder.__wrapped__))


def _decode(data: tf.Tensor, size: tf.Tensor, mode: tf.Tensor, max_megapixels: float, value_range: object) -> tf.Tensor:
    """Stands for the decoder of the package, which takes a second to build and has tests of its own."""
    return tf.cast(tf.image.resize(tf.io.decode_png(data, 3), tf.stack([size, size])), tf.uint8)


def a_set(network: str) -> FeatureSet:
    return FeatureSet(network, "", SIZE, "stretch", "1", "float32")


def stored(store: Store, rows: pd.DataFrame, output: str = "means", tag: str = PLAIN) -> np.ndarray:
    return store.get([key(digest, tag, output) for digest in rows["digest"]], np.dtype(np.float32))


def damage(file: Path) -> None:
    """Cut an image short: its header is whole, so that a scan finds nothing wrong."""
    file.write_bytes(file.read_bytes()[:-60])
