"""`precision: auto`: float32 against 16 bits on real images, measured once for each machine and backbone."""

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
from transfer.system.files import cache_home, write_text
from transfer.system.progress import Progress

LEAST_COSINE = 0.999
"""16 bits are used only where each image's features point the same way as in float32."""

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
    """Return the faster precision whose features agree, with what was measured; ask the machine only the first time.

    Args:
        backbone: whose features they compute.
        load: precision -> the backbone in it.
        batch_size: of feature extraction.
        images: gives real images, uint8 [b, size, size, 3]; called only when something is measured.
        progress: told of each candidate, and the result.

    Returns:
        `precision`; images/s of each candidate; `cosine`, the worst one of an image; on a GPU also `xla`, images/s of the chosen
        one compiled by XLA, and `use_xla`.
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
        pass  # never measured here
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
    if tf.config.list_physical_devices("GPU"):  # on a processor XLA was never faster
        result |= _compiled(load(chosen).with_xla(), batch, batch_size, reference, slow if chosen == "float32" else fast)
    write_text(path, json.dumps(result | identity, indent=2) + "\n")
    progress.say(
        f"Precision: {chosen} (measured: float32 {slow:.1f}, {candidate()} {fast:.1f} images/s, "
        f"worst cosine of their features {cosine:.5f})"
    )
    return result


def _compiled(pretrained: Pretrained, batch: np.ndarray, batch_size: int, reference: np.ndarray, plain: float) -> dict[str, Any]:
    """Measure what was chosen once more, compiled by XLA, against its images/s without."""
    try:
        features, rate = _measure(pretrained, batch, batch_size)
    except tf.errors.OpError:
        return {"use_xla": False}  # an operation that XLA has not, or too little memory to compile
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
    """Return the smallest cosine between rows of two tables [n, width]; rows that are zero in both agree,
    and rows that are not numbers agree with nothing (-1)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    both_zero = (np.abs(a).sum(1) == 0) & (np.abs(b).sum(1) == 0)
    with np.errstate(invalid="ignore"):
        cosines = np.where(both_zero, 1.0, (a * b).sum(1) / np.maximum(norms, 1e-30))
    return float(np.nan_to_num(cosines, nan=-1.0).min())


def sample_images(dataset: Dataset, image_spec: ImageSpec, count: int) -> np.ndarray:
    """Return `count` images of a dataset, repeated where there are fewer, uint8 [count, size, size, 3].

    Raises:
        DataError: where none of the first ones can be decoded.
    """
    rows = dataset.used
    small = rows[rows["width"] * rows["height"] <= 4_000_000]
    files = pipeline.files_of(dataset.root, (small if len(small) else rows).head(4 * count))
    for _, images in pipeline.batches(files, image_spec, count).take(1):
        batch: np.ndarray = images.numpy()
        return np.concatenate([batch] * -(-count // len(batch)))[:count]
    raise DataError("No image could be decoded: all of the first ones are truncated or broken.")
