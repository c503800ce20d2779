"""TensorFlow and OpenVINO on the same images, in turn: how fast each is with one export on this machine, and how far they differ."""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf

from transfer.config import build
from transfer.errors import RunError
from transfer.evaluation import ood_images
from transfer.evaluation.ood import Reference
from transfer.exporters.formats import measure
from transfer.exporters.served import Answers, Served
from transfer.runs import Run
from transfer.system.resources import cores

LEAST_GAIN = 1.1
"""OpenVINO is used only if it is this many times as fast in batches, and by no more than this slower for one image: two measurements of
the same thing differ by a few per cent."""

_PIXELS = 2 * 224**2  # in one call, but at least an image for each core, and at most so many images:
_IN_CALL = 64
_SAMPLES = 64  # different images, at most
_SECONDS, _FEWEST, _MOST = 1.5, 2, 20  # of the timed calls of both engines, and how many there are of each


@dataclass(frozen=True)
class Preference:
    """What is asked of the engine of a run's exports.

    Attributes:
        compute: `tensorflow`, `openvino`, or `auto` for the faster one.
        precision: in which the run computes.
        tolerance, tolerance_ood_score: largest accepted difference of a probability and of the OOD score from TensorFlow's.
        reference: the sample of training images kept with the run.
    """

    compute: str
    precision: str
    tolerance: float
    tolerance_ood_score: float
    reference: Path

    @classmethod
    def of(cls, run: Run, compute: str) -> Self:
        """Return what is asked of a run's exports; the tolerances are those of its configuration.

        Raises:
            ConfigError: if one of them is no tolerance.
        """
        own = {key: value for key, value in run.config.items() if key.startswith("export.tolerance")}
        limits, precision = build([own]).export, str(run.config.get("precision", "float32"))
        tolerance = limits.tolerance_float32 if precision == "float32" else limits.tolerance_16bit
        return cls(compute, precision, tolerance, limits.tolerance_ood_score, run.ood_reference)


@dataclass(frozen=True)
class Facts:
    """What was measured of both engines.

    Attributes:
        images: number of different images that were compared.
        tensorflow, openvino: `name`, `images_per_second` in batches of decoded images, `latency_ms` of one encoded image.
        agreement: of OpenVINO with TensorFlow; see `measure.agreement`.
    """

    images: int
    tensorflow: dict[str, Any]
    openvino: dict[str, Any]
    agreement: dict[str, float]

    def disagreement(self, preference: Preference) -> str:
        """Return how OpenVINO differs by more than is accepted; empty if it does not."""
        limits = {
            "largest_difference": ("a probability", preference.tolerance),
            "largest_difference_ood_score": ("the OOD score", preference.tolerance_ood_score),
        }
        for key, (what, limit) in limits.items():
            if not self.agreement[key] <= limit:
                return f"{what} differs by {self.agreement[key]:.2g}, accepted is {limit:g}"
        return "" if self.agreement["same_is_ood"] == 1 else "is_ood differs"

    @property
    def faster(self) -> bool:
        """Whether OpenVINO is the faster engine."""
        ours, theirs = self.openvino, self.tensorflow
        gain = ours["images_per_second"] / theirs["images_per_second"]
        return bool(gain > LEAST_GAIN and ours["latency_ms"] <= LEAST_GAIN * theirs["latency_ms"])

    def chooses_openvino(self, preference: Preference) -> bool:
        """Whether OpenVINO computes if it agrees: it is the faster one, or asked for."""
        return preference.compute == "openvino" or self.faster


def measured(served: Served, network: Callable[[np.ndarray], Answers], names: Sequence[str], reference: Path) -> Facts:
    """Measure both engines for a few seconds.

    Args:
        served: the export, which TensorFlow computes.
        network: the same by OpenVINO, for decoded images [n, size, size, 3].
        names: of TensorFlow and of OpenVINO, with their versions.
        reference: the sample of training images kept with the run; without one, they are measured on other photographs.
    """
    encoded, images = _samples(served, reference)
    in_call = min(_IN_CALL, max(cores(), _PIXELS // served.size**2))

    def batch(number: int) -> np.ndarray:
        return images.take(range(number * in_call, (number + 1) * in_call), axis=0, mode="wrap")

    def one(number: int) -> list[bytes]:
        return [encoded[number % len(encoded)]]

    together, batches = _timed([lambda number: served.answer_decoded(batch(number)), lambda number: network(batch(number))])
    single, singles = _timed([lambda number: served.answer(one(number)), lambda number: network(served.decode(one(number)))])
    theirs, ours = (_joined([*several, *ones]) for several, ones in zip(batches, singles, strict=True))
    tensorflow, openvino = (
        {"name": name, "images_per_second": round(in_call / call, 2), "latency_ms": round(1e3 * alone, 3)}
        for name, call, alone in zip(names, together, single, strict=True)
    )
    return Facts(min(len(encoded), in_call * len(batches[0])), tensorflow, openvino, measure.agreement(ours, theirs))


def _timed(calls: Sequence[Callable[[int], Answers]]) -> tuple[list[float], list[list[Answers]]]:
    """Make calls in turn with the numbers 0, 1, ...; return for each the seconds of its fastest, without the first, and all answers."""
    answers = [[call(0)] for call in calls]
    best = [math.inf] * len(calls)
    began = time.perf_counter()
    for number in itertools.count(1):
        for position, call in enumerate(calls):
            started = time.perf_counter()
            answers[position].append(call(number))
            best[position] = min(best[position], time.perf_counter() - started)
        if number >= _MOST or (number >= _FEWEST and time.perf_counter() - began > _SECONDS):
            break
    return best, answers


def _joined(answers: Sequence[Answers]) -> dict[str, np.ndarray]:
    return {field.name: np.concatenate([getattr(part, field.name) for part in answers]) for field in fields(Answers)}


def _samples(served: Served, reference: Path) -> tuple[list[bytes], np.ndarray]:
    """Return images, encoded and decoded, as different as there are."""
    try:
        thumbnails = [file for file in Reference.read(reference).thumbnails if file]
        chosen = thumbnails[:: max(1, len(thumbnails) // _SAMPLES)][:_SAMPLES]
        if chosen:
            return chosen, served.decode(chosen)
    except (RunError, tf.errors.OpError):
        pass  # missing or damaged
    others = ood_images.photographs(["JPEG", "PNG"])
    return others, served.decode(others)
