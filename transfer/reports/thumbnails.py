"""Thumbnails for the pages, decoded by the project's one decoder, as data URIs."""

import base64
import dataclasses
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from transfer.config import DataConfig
from transfer.data.storage import Root, read_bytes
from transfer.quality.findings import Findings
from transfer.reports import cards
from transfer.system.resources import spread

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

_OPTIONS: dict[str, dict[str, Any]] = {"jpeg": {"quality": 80}, "png": {"optimize": True}}


def thumbnails(root: Root, rows: pd.DataFrame, size: int = 96, most: int = 600, data: DataConfig | None = None) -> dict[str, str]:
    """Return thumbnails of images.

    Args:
        root: where the manifest's paths start.
        rows: of the manifest, also of files that are not used.
        size: side in pixels; the image keeps its shape, with white around.
        most: the largest number of thumbnails: those of the first rows.
        data: the decoder's limits; its `resize` is ignored.

    Returns:
        Path -> `data:image/...;base64,...`, a JPEG, or a PNG where that is smaller. Images that cannot be decoded are
        missing.
    """
    shown = rows[rows["digest"] != ""].drop_duplicates("path").head(most)  # without a digest a file was never read
    return {path: _uri(image) for path, image in _decoded(root, shown, size, data)}


def jpegs(root: Root, rows: pd.DataFrame, size: int, data: DataConfig) -> dict[str, bytes]:
    """Return thumbnails of used images, path -> JPEG; see `thumbnails`."""
    from PIL import Image

    return {path: _encoded(Image.fromarray(image), "jpeg") for path, image in _decoded(root, rows, size, data)}


def _decoded(root: Root, rows: pd.DataFrame, size: int, data: DataConfig | None) -> Iterator[tuple[str, "np.ndarray"]]:
    """Yield path and uint8 [size, size, 3] of those that can be decoded.

    In threads, each calling the decoder: a tf.data pipeline takes longer to start than a page's images to decode.
    """
    import tensorflow as tf

    from transfer.data.pipeline import ImageSpec, decoder_of, files_of

    settings = dataclasses.replace(ImageSpec(size), data=(data or DataConfig()).model_copy(update={"resize": "pad"}))
    decoder = decoder_of(settings, len(rows))

    def image(file: bytes) -> "np.ndarray | None":
        try:
            decoded: np.ndarray = decoder(tf.constant(read_bytes(file, settings.data.connections, settings.data.cache_gb))).numpy()
        except (OSError, tf.errors.OpError):
            return None
        return decoded

    for path, found in zip(rows["path"], spread(image, files_of(root, rows)), strict=True):
        if found is not None:
            yield path, found


def of_findings(findings: Findings, root: Root, manifest: pd.DataFrame, most: int, data: DataConfig) -> dict[str, str]:
    """Return thumbnails of the images on a page that shows about `most` per section; see `thumbnails`."""
    return thumbnails(root, manifest[manifest["path"].isin(cards.paths(findings, most))], data=data)


def _uri(pixels: "np.ndarray") -> str:
    """Encode uint8 [size, size, 3]."""
    from PIL import Image

    return uri_of(Image.fromarray(pixels))


def uri_of(image: "Image") -> str:
    """Encode an RGB image as a data URI: a JPEG, or a PNG where that is smaller."""
    kind, content = min(((kind, _encoded(image, kind)) for kind in _OPTIONS), key=lambda item: len(item[1]))
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _encoded(image: "Image", kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **_OPTIONS[kind])
    return buffer.getvalue()
