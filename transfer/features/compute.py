"""`precision: auto`: float32 and 16 bit compared on real images for a few seconds, once for each machine and backbone."""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer.data import pipeline
from transfer.data.dataset import Dataset
from transfer.data.pipeline import ImageSpec
from transfer.errors import DataError
from transfer.models.pretrained import FeatureSpec, FrozenPass, Pretrained
from transfer.models.registry import Backbone
from transfer.system import devices, resources
from transfer.system.home import cache_home
from transfer.system.locks import alone
from transfer.system.progress import Progress
from transfer.system.sealed import read_json, write_json

LEAST_COSINE = 0.999
"""16 bit is used only if the cosine between its features and those in float32 exceeds this for every image."""

LEAST_GAIN = 1.1
"""16 bit is used only if it is this many times as fast: the times of two measurements of the same thing differ by a few per cent."""

_CALLS = 8  # at most, of one precision: the first prepares, the others are timed
_SECONDS = 1.0  # no further call of one precision is timed after this
_PIXELS = 224**2  # in one call on a processor: 0.15 s for VGG16 on 2 cores, where a batch of 16 images is hardly faster

Images = Callable[[int], np.ndarray]
"""Number of images -> that many real ones, uint8 [n, size, size, 3]."""


def candidate() -> str:
    """Return the 16-bit precision of this kind of machine."""
    return "float16" if tf.config.list_physical_devices("GPU") else "bfloat16"


def choose(backbone: Backbone, load: Callable[[str], Pretrained], batch_size: int, images: Images, progress: Progress) -> dict[str, Any]:
    """Return the fastest precision whose features agree with float32.

    A processor without instructions for bfloat16 is not asked. Others are measured once for each backbone and its weights, for a
    few seconds; the result is kept for every image size, batch size and cut point, so that all use one precision. The first
    result that is stored is the one that all processes use: a run that was killed and started again has the same.

    Args:
        backbone: the backbone whose feature extraction is measured.
        load: precision -> the backbone in this precision.
        batch_size: images per forward pass.
        images: called only if something is measured.
        progress: reports each candidate, and the result.

    Returns:
        `precision`; if it was measured, images/s of each candidate; `cosine`, the smallest of any image; on a GPU also `xla`,
        images/s of the chosen precision compiled by XLA, and `use_xla`. Otherwise `emulated`, the precision that is not in question.
    """
    if devices.emulates_bfloat16():
        return {"precision": "float32", "emulated": candidate()}
    full = load("float32")
    identity = {
        "machine": devices.machine(), "keras": keras.__version__, "backbone": backbone.name, "weights": full.weights_digest,
    }  # fmt: skip
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_home() / "precision" / f"{name}.json"
    if stored := _stored(path):
        return stored
    with alone(path.with_suffix(".lock")):  # two processes that measure at once would disturb each other, and might disagree
        if stored := _stored(path):
            return stored
        result = _compared(full, load, batch_size, images, progress)
        write_json(path, result | identity | {"size": full.size}, indent=2)
    return result


def _stored(path: Path) -> dict[str, Any] | None:
    """Return the result of an earlier measurement; None if there is none, or it is damaged."""
    stored = read_json(path)
    return stored if stored is not None and stored.get("precision") in ("float32", candidate()) else None


def _compared(full: Pretrained, load: Callable[[str], Pretrained], batch_size: int, images: Images, progress: Progress) -> dict[str, Any]:
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    in_call = batch_size if on_gpu else min(batch_size, max(1, _PIXELS // full.size**2))
    batch = images(in_call * _CALLS)
    with progress.step("Choosing precision (once for this machine and network)", 2, "precisions") as advance:
        reference, slow = _measure(full, batch, in_call)
        advance(1)
        rounded, fast = _measure(load(candidate()), batch, in_call)
        advance(1)
    resources.give_back()
    cosine = _agreement(reference, rounded)
    chosen = candidate() if fast > LEAST_GAIN * slow and cosine > LEAST_COSINE else "float32"
    result = {"precision": chosen, "float32": round(slow, 2), candidate(): round(fast, 2), "cosine": round(cosine, 6)}
    if on_gpu:  # XLA was never faster on a CPU
        result |= _compiled(load(chosen).with_xla(), batch, in_call, reference, slow if chosen == "float32" else fast)
    progress.say(
        f"Precision: {chosen} (measured: float32 {slow:.1f}, {candidate()} {fast:.1f} images/s, "
        f"smallest cosine of their features {cosine:.5f})"
    )
    return result


def _compiled(pretrained: Pretrained, batch: np.ndarray, in_call: int, reference: np.ndarray, plain: float) -> dict[str, Any]:
    """Measure the chosen precision compiled by XLA; `plain` is its images/s without."""
    try:
        features, rate = _measure(pretrained, batch, in_call)
    except tf.errors.OpError:
        return {"use_xla": False}  # an operation that XLA does not support, or too little memory to compile
    return {"xla": round(rate, 2), "use_xla": rate > plain and _agreement(reference, features) > LEAST_COSINE}


def _measure(pretrained: Pretrained, batch: np.ndarray, in_call: int) -> tuple[np.ndarray, float]:
    """Return features of as many images as there was time for, and images/s. Each call has other images."""
    frozen = FrozenPass(pretrained, [FeatureSpec("top", "avg")], in_call)
    features = [*frozen(batch[:in_call])]  # this traces the graph, compiles it, and brings the weights into the order of its kernels
    seconds: list[float] = []
    for start in range(in_call, len(batch), in_call):
        started = time.perf_counter()
        features += frozen(batch[start : start + in_call])
        seconds.append(time.perf_counter() - started)
        if sum(seconds) >= _SECONDS:
            break
    return np.concatenate(features), in_call / min(seconds)


def _agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Return `worst_cosine` of the images that both have."""
    both = min(len(a), len(b))
    return worst_cosine(a[:both], b[:both])


def worst_cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the smallest cosine between the rows of two tables [n, width]: 1 for rows that are zero in both, -1 for rows with
    NaN."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    both_zero = (np.abs(a).sum(1) == 0) & (np.abs(b).sum(1) == 0)
    with np.errstate(invalid="ignore"):
        cosines = np.where(both_zero, 1.0, (a * b).sum(1) / np.maximum(norms, 1e-30))
    return float(np.nan_to_num(cosines, nan=-1.0).min())


def sample_images(dataset: Dataset, image_spec: ImageSpec, count: int) -> np.ndarray:
    """Return `count` images of a dataset, repeated if there are fewer, uint8 [count, size, size, 3].

    Raises:
        DataError: if none of the first images can be decoded.
    """
    rows = dataset.used
    small = rows[rows["width"] * rows["height"] <= 4_000_000]
    files = pipeline.files_of(dataset.root, (small if len(small) else rows).head(4 * count))
    for _, images in pipeline.batches(files, image_spec, count).take(1):
        batch: np.ndarray = images.numpy()
        return np.concatenate([batch] * -(-count // len(batch)))[:count]
    raise DataError("No image could be decoded: the first images are all truncated or damaged.")
