"""`compute: auto` and `precision: auto`: engines and precisions compared on real images for a few seconds, once for each machine,
backbone and size."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer.config import Config
from transfer.config.sections import ExportConfig
from transfer.data import pipeline
from transfer.data.dataset import Dataset
from transfer.data.pipeline import ImageSpec
from transfer.errors import DataError, EngineError, ExportError
from transfer.features.agreement import LEAST_COSINE, probability_difference, worst_cosine
from transfer.features.candidates import CALLS, Candidate, Measured, images_in_call, measure
from transfer.features.specs import batch_size
from transfer.models import openvino_engine
from transfer.models.pretrained import OPENVINO, TENSORFLOW, Pretrained
from transfer.system import devices, resources
from transfer.system.home import cache_home
from transfer.system.locks import alone
from transfer.system.progress import Progress
from transfer.system.sealed import read_json, write_json

LEAST_GAIN = 1.1
"""A candidate is used only if it is this many times as fast as those before it: the times of two measurements of the same thing differ
by a few per cent."""

Images = Callable[[int], np.ndarray]
"""Number of images -> that many real ones, uint8 [n, size, size, 3]."""


def in_16_bits() -> str:
    """Return the 16-bit precision of this kind of machine."""
    return "float16" if _has_gpu() else "bfloat16"


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def choose(config: Config, load: Callable[[str], Pretrained], images: Images, progress: Progress) -> dict[str, Any]:
    """Return the fastest engine and precision, of those that a configuration leaves open, whose features agree.

    They are measured once for each backbone, its weights and the size of the images, for a few seconds. The result is kept for every
    batch size and cut point: so the features of all cut points are in one set, and another cut point costs no other engine. The
    first result that is stored is the one that all processes use: a run that was killed and started again has the same. A processor
    without instructions for bfloat16 is not asked about it, nor a machine with a GPU about OpenVINO.

    Args:
        config: complete: `compute`, `precision`, the batch size, and the tolerances of the export.
        load: precision -> the backbone in this precision.
        images: called only if something is measured.
        progress: reports each candidate, and the result.

    Returns:
        `compute` and `precision`; if they were measured, also `images_per_second` of each candidate; `agreement` of each with the first:
        `cosine`, the smallest of any image, and for another engine `probability`, the largest difference of a made-up classifier's;
        `failed`, why candidates could not compute; on a GPU `xla`, images/s of what was chosen compiled by XLA, and `use_xla`.

    Raises:
        EngineError: if OpenVINO was asked for, and cannot be used.
    """
    candidates = _open(config, progress)
    if len(candidates) == 1:
        return {"compute": candidates[0].engine, "precision": candidates[0].precision}
    full = load(candidates[0].precision)
    identity = {
        "machine": devices.machine(), "threads": resources.threads()["intra_op"], "keras": keras.__version__,
        "openvino": openvino_engine.version() if any(one.engine == OPENVINO for one in candidates) else None,
        "backbone": full.backbone.name, "weights": full.weights_digest, "size": full.size, "candidates": [one.name for one in candidates],
        "tolerances": [config.export.tolerance_float32, config.export.tolerance_16bit],
    }  # fmt: skip
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_home() / "compute" / f"{name}.json"
    if stored := _stored(path, candidates):
        return stored
    with alone(path.with_suffix(".lock")):  # two processes that measure at once would disturb each other, and might disagree
        if stored := _stored(path, candidates):
            return stored
        result = _compared(candidates, config, load, images, progress)
        write_json(path, result | {"measured_for": identity}, indent=2)
    return result


def _open(config: Config, progress: Progress) -> list[Candidate]:
    """Return what a configuration leaves open on this machine: the plainest first, then what may be faster."""
    precisions: list[str] = [config.precision]
    if config.precision == "auto":
        precisions = ["float32"] if devices.emulates_bfloat16() else ["float32", in_16_bits()]
    engines: list[str] = [config.compute]
    if config.compute == "auto":
        engines = [TENSORFLOW] if _has_gpu() or not _offered(progress) else [TENSORFLOW, OPENVINO]
    pairs = [Candidate(engine, precision) for precision in precisions for engine in engines]
    found = [one for one in pairs if one.engine == TENSORFLOW or one.precision in openvino_engine.PRECISIONS]
    if not found:
        raise EngineError(f"compute: OpenVINO computes in {' or '.join(openvino_engine.PRECISIONS)}. Received precision={precisions[0]}.")
    return found


@contextmanager
def blamed(engine: str) -> Iterator[None]:
    """Tell, where an export does not agree with the stored features, if another engine than the export's has computed them.

    Raises:
        ExportError: as in the block, with the remedy.
    """
    try:
        yield
    except ExportError as error:
        if engine == TENSORFLOW or not any(f"({path})" in str(error) for path in ("stored", "ood_score")):
            raise
        raise ExportError(f"{error} The stored features are those of {engine}: use compute=tensorflow, which the export does.") from None


def _offered(progress: Progress) -> bool:
    """Return whether OpenVINO is installed in a version that was tried; another version is told."""
    try:
        openvino_engine.require()
    except EngineError as error:
        if openvino_engine.version() is not None:
            progress.say(f"{error} TensorFlow computes the features.")
        return False
    return True


def _stored(path: Path, candidates: Sequence[Candidate]) -> dict[str, Any] | None:
    """Return the result of an earlier measurement; None if there is none, or it is damaged."""
    stored = read_json(path)
    if stored is None or not any((stored.get("compute"), stored.get("precision")) == (one.engine, one.precision) for one in candidates):
        return None
    return stored


def _compared(
    candidates: Sequence[Candidate], config: Config, load: Callable[[str], Pretrained], images: Images, progress: Progress
) -> dict[str, Any]:
    plainest = load(candidates[0].precision)
    in_call = images_in_call(plainest, batch_size(config, plainest.size))
    batch = images(in_call * CALLS)
    tried = {one: load(one.precision).with_engine(one.engine) for one in candidates}
    title = "Choosing how to compute (once for this machine, network and size)"
    with progress.step(title, len(candidates), "candidates") as advance:
        measured, failed = measure(tried, batch, in_call, advance)
    resources.give_back()
    if not measured:
        raise EngineError(f"{next(iter(failed.values()))} Or use compute=tensorflow.")
    first = chosen = next(iter(measured))
    agreement = {one: _agreement(measured[first], found, first.engine != one.engine) for one, found in measured.items() if one != first}
    for one, facts in agreement.items():
        if _agrees(one, facts, config.export) and measured[one].rate > LEAST_GAIN * measured[chosen].rate:
            chosen = one
    result: dict[str, Any] = {
        "compute": chosen.engine, "precision": chosen.precision,
        "images_per_second": {one.name: round(found.rate, 2) for one, found in measured.items()},
        "agreement": {one.name: {name: round(value, 6) for name, value in facts.items()} for one, facts in agreement.items()},
    }  # fmt: skip
    if failed:
        result["failed"] = {one.name: reason for one, reason in failed.items()}
        progress.say(f"{next(iter(failed.values()))} It is left out.")
    if _has_gpu():  # XLA was never faster on a CPU
        result |= _compiled(tried[chosen].with_xla(), batch, in_call, measured[first], measured[chosen].rate)
    speeds = ", ".join(f"{name} {rate:.1f}" for name, rate in result["images_per_second"].items())
    worst = min((facts["cosine"] for facts in agreement.values()), default=1.0)
    progress.say(f"Features are computed by {chosen.name} (measured: {speeds} images/s, smallest cosine of their features {worst:.5f})")
    return result


def _agreement(expected: Measured, found: Measured, another_engine: bool) -> dict[str, float]:
    """Return how far the features of the images that both have agree."""
    both = min(len(expected.features), len(found.features))
    tables = expected.features[:both], found.features[:both]
    facts = {"cosine": worst_cosine(*tables)}
    return facts | {"probability": probability_difference(*tables)} if another_engine else facts


def _agrees(one: Candidate, facts: Mapping[str, float], tolerances: ExportConfig) -> bool:
    """Return whether a candidate agrees. The export is TensorFlow's, in the same precision: probabilities of another engine are compared
    with it."""
    tolerance = tolerances.tolerance_float32 if one.precision == "float32" else tolerances.tolerance_16bit
    return facts["cosine"] > LEAST_COSINE and facts.get("probability", 0.0) <= tolerance


def _compiled(pretrained: Pretrained, batch: np.ndarray, in_call: int, expected: Measured, plain: float) -> dict[str, Any]:
    """Measure what was chosen compiled by XLA; `plain` is its images/s without."""
    one = Candidate("xla", pretrained.precision)
    try:
        found = measure({one: pretrained}, batch, in_call)[0][one]
    except tf.errors.OpError:
        return {"use_xla": False}  # an operation that XLA does not support, or too little memory to compile
    return {"xla": round(found.rate, 2), "use_xla": found.rate > plain and _agreement(expected, found, False)["cosine"] > LEAST_COSINE}


def sample_images(dataset: Dataset, image_spec: ImageSpec, count: int) -> np.ndarray:
    """Return `count` images of a dataset, repeated if there are fewer, uint8 [count, size, size, 3].

    Raises:
        DataError: if none of the first images can be decoded.
    """
    rows = dataset.used
    small = rows[rows["width"] * rows["height"] <= 4_000_000]
    files = pipeline.files_of(dataset.root, (small if len(small) else rows).head(4 * count))
    for _, images in islice(pipeline.batches(files, image_spec, count), 1):
        batch: np.ndarray = images.numpy()
        return np.concatenate([batch] * -(-count // len(batch)))[:count]
    raise DataError("No image could be decoded: the first images are all truncated or damaged.")
