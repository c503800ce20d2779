"""An export and the SavedModel on the same test images: accuracy, agreement and speed, and whether they are good enough."""

import math
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from transfer.config import Config
from transfer.errors import ExportError
from transfer.evaluation.metrics import wilson
from transfer.evaluation.paired_differences import one_seed
from transfer.exporters.formats import FLOAT16, INT8
from transfer.exporters.verify import largest_difference
from transfer.system.progress import Progress

_SINGLE = 30  # images that are classified one at a time, to measure the latency

Outputs = dict[str, np.ndarray]


class Runtime(Protocol):
    """Something that classifies images."""

    @property
    def name(self) -> str:
        """The library, with its version."""
        ...

    def run(self, images: np.ndarray) -> Outputs:
        """Return the outputs by name, for RGB in 0..255, float32 [n, size, size, 3]."""
        ...


@dataclass(frozen=True)
class Measured:
    """The outputs of one runtime and its speed.

    Attributes:
        runtime: its name.
        outputs: by name, each [n, ...].
        latency_ms: median time for one image alone, in milliseconds, without decoding.
        images_per_second: in batches, without decoding.
    """

    runtime: str
    outputs: Outputs
    latency_ms: float
    images_per_second: float


def measure(runtimes: Sequence[Runtime], batches: Iterable[np.ndarray], count: int, progress: Progress) -> list[Measured]:
    """Give the same images to several runtimes.

    Args:
        runtimes: each gets every batch.
        batches: uint8 [b, size, size, 3], at least one.
        count: images in all batches.
        progress: advances with each batch.
    """
    latencies: list[float] = []
    timed: list[list[tuple[Outputs, float]]] = [[] for _ in runtimes]
    with progress.step("Measuring", count) as advance:
        for batch in batches:
            images = batch.astype(np.float32)
            latencies = latencies or [_latency(runtime, images) for runtime in runtimes]
            for runtime, results in zip(runtimes, timed, strict=True):
                results.append(_timed(runtime, images))
            advance(len(images))
    return [_measured(*parts) for parts in zip(runtimes, latencies, timed, strict=True)]


def _latency(runtime: Runtime, images: np.ndarray) -> float:
    """Return the median seconds for one image. The first call for each batch size is not timed: some runtimes prepare in it."""
    runtime.run(images[:1])
    seconds = [_timed(runtime, image[np.newaxis])[1] for image in images[:_SINGLE]]
    runtime.run(images)
    return statistics.median(seconds)


def _timed(runtime: Runtime, images: np.ndarray) -> tuple[Outputs, float]:
    started = time.perf_counter()
    outputs = runtime.run(images)
    return outputs, time.perf_counter() - started


def _measured(runtime: Runtime, latency: float, timed: list[tuple[Outputs, float]]) -> Measured:
    outputs = {name: np.concatenate([answers[name] for answers, _ in timed]) for name in timed[0][0]}
    sizes = [len(answers["probabilities"]) for answers, _ in timed]
    # A smaller last batch is left out: for a new batch size, some runtimes plan their memory again.
    full = [seconds for size, (_, seconds) in zip(sizes, timed, strict=True) if size == sizes[0]]
    return Measured(runtime.name, outputs, latency * 1e3, sizes[0] * len(full) / max(sum(full), 1e-9))


def _right(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return bool [n]: whether the most probable class is the true one; never where a probability is NaN."""
    right: np.ndarray = (probabilities.argmax(1) == labels) & np.isfinite(probabilities).all(1)
    return right


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return `accuracy`, `accuracy_ci95` (Wilson) and `images` for probabilities [n, classes] and true class numbers [n]."""
    right = int(_right(probabilities, labels).sum())
    return {"accuracy": right / len(labels), "accuracy_ci95": list(wilson(right, len(labels))), "images": len(labels)}


def agreement(found: Outputs, expected: Outputs) -> dict[str, float]:
    """Compare the outputs of an export with those of the SavedModel.

    Returns:
        `same_label`: share of images with the same most probable class; `largest_difference` of a probability; and if there is
        an OOD score, its `largest_difference_ood_score` and `same_is_ood`.
    """
    ours, theirs = found["probabilities"], expected["probabilities"]
    result = {"same_label": float((ours.argmax(1) == theirs.argmax(1)).mean()), "largest_difference": largest_difference(ours, theirs)}
    if "ood_score" in expected:
        result["largest_difference_ood_score"] = largest_difference(found["ood_score"], expected["ood_score"])
        result["same_is_ood"] = float((found["is_ood"] == expected["is_ood"]).mean())
    return result


def require_agreement(to: str, agrees: dict[str, float], config: Config) -> None:
    """Refuse an unquantized export that differs from the SavedModel by more than the configuration accepts.

    Args:
        to: its format.
        agrees: the result of `agreement`.
        config: of the run.

    Raises:
        ExportError: if it differs by more.
    """
    settings = config.export
    limits = {
        "largest_difference": ("a probability", settings.tolerance_float32 if config.precision == "float32" else settings.tolerance_16bit),
        "largest_difference_ood_score": ("the OOD score", settings.tolerance_ood_score),
    }
    for name, (what, limit) in limits.items():
        if name in agrees and not agrees[name] <= limit:
            raise ExportError(
                f"The new {to} export does not agree with the SavedModel: {what} differs by {agrees[name]:.2g}. "
                f"Expected at most {limit:g}. Nothing was published."
            )


def require_accuracy_kept(to: str, quantize: str | None, found: Outputs, expected: Outputs, labels: np.ndarray, limit: float) -> str:
    """Refuse an export that classifies fewer test images correctly than the SavedModel does.

    Args:
        to, quantize: its format and quantization.
        found: its outputs for the n test images.
        expected: those of the SavedModel.
        labels: true class numbers, int [n].
        limit: largest accepted loss of accuracy, 0 to 1. A larger one is accepted too if its 95 % interval includes 0.

    Returns:
        A sentence about a larger loss that is accepted; empty if there is none.

    Raises:
        ExportError: if it loses more.
    """
    before, after = (_right(outputs["probabilities"], labels).astype(np.int8) for outputs in (expected, found))
    loss = one_seed(before - after)
    if loss.value <= limit:
        return ""
    name = f"{quantize} {to}" if quantize else to
    figures = (
        f"The {name} export classifies {after.mean():.3f} of {len(labels)} test images correctly, the SavedModel {before.mean():.3f}: "
        f"a loss of {loss.value:.3f} (95 %: {loss.low:.3f} to {loss.high:.3f})."
    )
    if loss.low <= 0:
        return f"{figures} With so few images, this may be chance"
    others = {INT8: "use --quantize float16, which loses less; or ", FLOAT16: "leave --quantize out; or "}.get(quantize or "", "")
    raise ExportError(
        f"{figures} Expected at most {limit:g} (export.max_accuracy_loss). Nothing was published. Instead, {others}publish it all the "
        f"same: --max-accuracy-loss {math.ceil(loss.value * 100) / 100:g}."
    )


def require_accuracy(to: str, scored: dict[str, Any], smallest: float) -> None:
    """Refuse an export below the accuracy asked for.

    Args:
        to: its format.
        scored: the result of `accuracy`.
        smallest: accepted accuracy, 0 to 1.

    Raises:
        ExportError: if it is below.
    """
    if scored["accuracy"] < smallest:
        low, high = scored["accuracy_ci95"]
        raise ExportError(
            f"The {to} export classifies {scored['accuracy']:.3f} of {scored['images']} test images correctly (95 %: {low:.3f} to "
            f"{high:.3f}). Expected at least {smallest:g} (--assert-accuracy). Nothing was published."
        )
