"""`precision: auto`: float32 and 16 bit compared on real images, once for each machine and backbone."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from transfer.data import pipeline
from transfer.data.dataset import Dataset
from transfer.data.pipeline import ImageSpec
from transfer.errors import DataError
from transfer.models.pretrained import FeatureSpec, FrozenPass, Pretrained
from transfer.models.registry import Backbone
from transfer.system import devices, resources
from transfer.system.files import write_text
from transfer.system.home import cache_home
from transfer.system.progress import Progress

LEAST_COSINE = 0.999
"""16 bit is used only if the cosine between its features and those in float32 exceeds this for every image."""

_REPEATS = 2


def candidate() -> str:
    """Return the 16-bit precision of this kind of machine."""
    return "float16" if tf.config.list_physical_devices("GPU") else "bfloat16"


def choose(
    backbone: Backbone,
    load: Callable[[str], Pretrained],
    batch_size: int,
    images: Callable[[], np.ndarray],
    progress: Progress,
) -> dict[str, Any]:
    """Return the fastest precision whose features agree with float32, with the measurements; they are made only once.

    Args:
        backbone: the backbone whose feature extraction is measured.
        load: precision -> the backbone in this precision.
        batch_size: images per forward pass.
        images: returns real images, uint8 [b, size, size, 3]; called only if something is measured.
        progress: reports each candidate, and the result.

    Returns:
        `precision`; images/s of each candidate; `cosine`, the smallest of any image; on a GPU also `xla`, images/s of the chosen
        precision compiled by XLA, and `use_xla`.
    """
    full = load("float32")
    identity = {
        "machine": devices.machine(), "backbone": backbone.name, "size": full.size, "batch": batch_size, "weights": full.weights_digest,
    }  # fmt: skip
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_home() / "precision" / f"{name}.json"
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if stored["precision"] in ("float32", candidate()):
            return stored
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not measured on this machine yet
    batch = images()
    with progress.step("Choosing precision (once for this machine, network and size)", 2, "precisions") as advance:
        reference, slow = _measure(full, batch, batch_size)
        advance(1)
        rounded, fast = _measure(load(candidate()), batch, batch_size)
        advance(1)
    resources.give_back()
    cosine = worst_cosine(reference, rounded)
    chosen = candidate() if fast > slow and cosine > LEAST_COSINE else "float32"
    result = {"precision": chosen, "float32": round(slow, 2), candidate(): round(fast, 2), "cosine": round(cosine, 6)}
    if tf.config.list_physical_devices("GPU"):  # XLA was never faster on a CPU
        result |= _compiled(load(chosen).with_xla(), batch, batch_size, reference, slow if chosen == "float32" else fast)
    write_text(path, json.dumps(result | identity, indent=2) + "\n")
    progress.say(
        f"Precision: {chosen} (measured: float32 {slow:.1f}, {candidate()} {fast:.1f} images/s, "
        f"smallest cosine of their features {cosine:.5f})"
    )
    return result


def _compiled(pretrained: Pretrained, batch: np.ndarray, batch_size: int, reference: np.ndarray, plain: float) -> dict[str, Any]:
    """Measure the chosen precision compiled by XLA; `plain` is its images/s without."""
    try:
        features, rate = _measure(pretrained, batch, batch_size)
    except tf.errors.OpError:
        return {"use_xla": False}  # an operation that XLA does not support, or too little memory to compile
    return {"xla": round(rate, 2), "use_xla": rate > plain and worst_cosine(reference, features) > LEAST_COSINE}


def _measure(pretrained: Pretrained, batch: np.ndarray, batch_size: int) -> tuple[np.ndarray, float]:
    frozen = FrozenPass(pretrained, [FeatureSpec("top", "avg")], batch_size)
    (features,) = frozen(batch)
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        frozen(batch)
        seconds.append(time.perf_counter() - started)
    return features, batch_size / min(seconds)


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
