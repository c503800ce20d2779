"""Where pictures come from: an image folder, a table of paths, or a TFDS data set -> manifest."""

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from transfer.config import DataConfig
from transfer.data import image_folder, scanning
from transfer.progress import Progress

TFDS = "tfds:"
"""What the name of a TFDS data set begins with."""


@dataclass(frozen=True)
class Source:
    """What was read: the manifest, where its paths start, and whether the source itself names the splits."""

    root: Path
    manifest: pd.DataFrame
    ready_made: bool


def absolute(source: str) -> str:
    """Return a source with its path made absolute, so that a configuration means the same everywhere."""
    return source if source.startswith(TFDS) else os.fspath(Path(source).absolute())


def require(config: DataConfig) -> None:
    """Check that the source is there, as far as that can be seen at once and without TensorFlow.

    Raises:
        DataError: where it is not.
    """
    image_folder.require_folder(Path(str(config.source)))


def read(config: DataConfig, progress: Progress) -> Source:
    """List the pictures of `data.source`, read each once, and return the manifest.

    Raises:
        DataError: where the source cannot be used.
    """
    root = Path(str(config.source))
    found, ready_made = image_folder.listing(root)
    return Source(root, scanning.examined(root, found, config.max_megapixels, progress), ready_made)
