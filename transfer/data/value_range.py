"""The value range of a data set: which values of images of more than 8 bits per sample become black and white.

`data.value_range: auto` is decided here, once, from the training images; runs and exports keep the decision.
"""

import hashlib
from functools import partial

import numpy as np
import pandas as pd

from transfer.config import Config
from transfer.data.dataset import Dataset
from transfer.data.decoding.formats import UnreadableError, UnsupportedError
from transfer.data.decoding.to_8_bits import DEEP_TYPES, Range, Spread, choose_range, range_text, spread, type_range, used_part
from transfer.data.decoding.transcode import deep_of, transcode, transcoded_path
from transfer.data.sources.tfds import cache as tfds_cache
from transfer.data.storage import Root
from transfer.system.progress import Progress
from transfer.system.resources import spread as in_threads
from transfer.system.sealed import is_whole

_SAMPLE = 256  # training images whose values are looked at
_TOGETHER = 64  # images converted between two steps of the progress bar


def choose_value_range(dataset: Dataset, config: Config, progress: Progress) -> tuple[Dataset, Config]:
    """Decide on the value range and convert the images that need it.

    The range depends on the training images as they are split now: near duplicates that are grouped later can move some of them.

    Args:
        dataset: split, where that was possible.
        config: its `data.value_range` may be `auto`.
        progress: reports what was decided.

    Returns:
        The dataset, with the column `value_range`, and with images skipped that cannot be converted; the configuration, decided.
    """
    used = dataset.used
    types = _types(used)
    asked = config.data.value_range
    chosen: Range | None = None
    if isinstance(asked, tuple):
        chosen = asked
    elif asked == "auto" and (types != "").any():
        rows = used[(types != "") & (used["split"] == "train")]
        with progress.step("Looking at images of more than 8 bits", min(len(rows), _SAMPLE)) as advance:
            spreads = _spreads(dataset.root, rows if len(rows) else used[types != ""])
            advance(len(spreads))
        chosen = choose_range(spreads) if spreads else None
        if chosen is not None:
            progress.say(_told(types, spreads, chosen))
    config = config.updated(data__value_range=chosen if chosen is not None else "dtype")
    dataset = dataset.with_value_range(types[types != ""].index, range_text(chosen))
    transcoded = used[(types != "") & (used["status"] == "transcoded")]
    if chosen is None or transcoded.empty:
        return dataset, config
    return dataset.skip(_converted(dataset.root, transcoded, chosen, progress)), config


def _types(rows: pd.DataFrame) -> pd.Series:
    """Return the type of the samples of each row, one of `DEEP_TYPES`; empty for images of 8 bits."""
    of = {traits: next((word for word in traits.split() if word in DEEP_TYPES), "") for traits in rows["traits"].unique()}
    return rows["traits"].map(of).astype(object)


def _spreads(root: Root, rows: pd.DataFrame) -> list[Spread]:
    """Return the values that some images use: those of the lowest digests, which hardly change when images are added."""
    some = rows.drop_duplicates("digest").sort_values("digest").head(_SAMPLE)
    tfds_cache.require_whole(root, zip(some["path"], some["digest"], strict=True))
    return [found for found in in_threads(partial(_spread, root), list(some["path"])) if found is not None]


def _spread(root: Root, path: str) -> Spread | None:
    try:
        colors = _colors((root / path).read_bytes())
    except (OSError, UnreadableError):
        return None  # extraction gives the reason
    return spread(colors) if colors is not None else None


def _colors(data: bytes) -> np.ndarray | None:
    """Return the samples of a deep image, without alpha; None if it is not one."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        deep = deep_of(data)
        return deep.colors if deep is not None else None
    import tensorflow as tf

    try:
        samples: np.ndarray = tf.io.decode_png(data, dtype=tf.uint16).numpy()
    except tf.errors.OpError:
        return None
    return samples[..., : 1 if samples.shape[2] < 3 else 3]


def _told(types: pd.Series, spreads: list[Spread], chosen: Range) -> str:
    parts = []
    for kind in [kind for kind in DEEP_TYPES if any(one.dtype == kind for one in spreads)]:
        part = used_part(spreads, kind)
        least, most = type_range(kind)
        parts.append(f"{100 * part:.2g} % of {kind}" if part <= 1 else f"values outside {least:g} to {most:g} of {kind}")
    low, high = chosen
    return (
        f"{int((types != '').sum()):,} images of more than 8 bits per sample use {' and '.join(parts)}. "
        f"Their values {low:g} to {high:g} become 0 to 255 (data.value_range)."
    )


def _converted(root: Root, rows: pd.DataFrame, value_range: Range, progress: Progress) -> dict[int, str]:
    """Write the PNG of each image with this range into the cache; return why some cannot be converted, by index label."""
    reasons: dict[int, str] = {}
    first = rows.drop_duplicates("digest")

    def convert(row: tuple[str, str]) -> str:
        path, digest = row
        if is_whole(transcoded_path(digest, value_range)):
            return ""
        try:
            data = (root / path).read_bytes()
            if hashlib.sha256(data).hexdigest() != digest:
                return "changed while it was read"
            transcode(data, digest, value_range)
        except UnsupportedError as error:
            return str(error)
        except UnreadableError as error:
            return f"damaged: {error}"
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        return ""

    with progress.step("Converting images of more than 8 bits", len(first)) as advance:
        for start in range(0, len(first), _TOGETHER):
            part = first.iloc[start : start + _TOGETHER]
            reasons |= dict(zip(part["digest"], in_threads(convert, zip(part["path"], part["digest"], strict=True)), strict=True))
            advance(len(part))
    return {int(index): reasons[digest] for index, digest in rows["digest"].items() if reasons[digest]}
