"""What an export says of the test images beside what the SavedModel says, and how fast."""

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transfer.evaluation.metrics import wilson
from transfer.exporters.formats.runtimes import Runtime
from transfer.system.progress import Progress

_SINGLE = 30  # images that are sent one at a time, to measure how long one takes


@dataclass(frozen=True)
class Measured:
    """The answers of one runtime.

    Attributes:
        outputs: by name, each [n, ...].
        latency_ms: median time of one image alone, in milliseconds, without decoding.
        images_per_second: in batches, without decoding.
    """

    outputs: dict[str, np.ndarray]
    latency_ms: float
    images_per_second: float


def measure(runtimes: Sequence[Runtime], batches: Iterable[np.ndarray], count: int, progress: Progress) -> list[Measured]:
    """Give the same images to several runtimes.

    Args:
        runtimes: each gets every batch.
        batches: uint8 [b, size, size, 3], at least one.
        count: images in all batches.
        progress: told of each image.
    """
    meters = [_Meter(runtime) for runtime in runtimes]
    with progress.step("Measuring", count) as advance:
        for number, batch in enumerate(batches):
            images = batch.astype(np.float32)
            for meter in meters:
                if number == 0:
                    meter.one_at_a_time(images[:_SINGLE])
                meter.together(images)
            advance(len(images))
    return [meter.measured() for meter in meters]


class _Meter:
    """Keeps the answers of one runtime and its times. The first call of each size is not timed: it prepares."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.answers: list[dict[str, np.ndarray]] = []
        self.singles: list[float] = []
        self.times: list[tuple[int, float]] = []

    def one_at_a_time(self, images: np.ndarray) -> None:
        self.runtime.run(images[:1])
        for image in images:
            started = time.perf_counter()
            self.runtime.run(image[np.newaxis])
            self.singles.append(time.perf_counter() - started)
        self.runtime.run(images)

    def together(self, images: np.ndarray) -> None:
        started = time.perf_counter()
        self.answers.append(self.runtime.run(images))
        self.times.append((len(images), time.perf_counter() - started))

    def measured(self) -> Measured:
        names = self.answers[0]
        outputs = {name: np.concatenate([answer[name] for answer in self.answers]) for name in names}
        # A last batch of another size makes some runtimes plan their memory anew.
        full = [timed for timed in self.times if timed[0] == self.times[0][0]]
        seconds = sum(time for _, time in full)
        return Measured(outputs, statistics.median(self.singles) * 1e3, sum(size for size, _ in full) / max(seconds, 1e-9))


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return `accuracy`, `accuracy_ci95` (Wilson) and `images` of probabilities [n, classes] and true class numbers [n]."""
    right = int((probabilities.argmax(1) == labels).sum())
    return {"accuracy": right / len(labels), "accuracy_ci95": list(wilson(right, len(labels))), "images": len(labels)}


def agreement(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> dict[str, float]:
    """Compare the outputs of an export with those of the SavedModel.

    Returns:
        `same_label`: share of images with the same most probable class; `largest_difference` of a probability; and where there
        is a distance from the training images, its `largest_difference_ood_score` and `same_is_ood`.
    """
    ours, theirs = found["probabilities"], expected["probabilities"]
    result = {"same_label": float((ours.argmax(1) == theirs.argmax(1)).mean()), "largest_difference": _largest(ours, theirs)}
    if "ood_score" in expected:
        result["largest_difference_ood_score"] = _largest(found["ood_score"], expected["ood_score"])
        result["same_is_ood"] = float((found["is_ood"] == expected["is_ood"]).mean())
    return result


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(np.float64) - b).max())
