"""Candidates for feature extraction, timed side by side on the same images."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from transfer.errors import EngineError
from transfer.models.frozen_pass import IN_FLIGHT, FrozenPass
from transfer.models.pretrained import FeatureSpec, Pretrained
from transfer.system import resources

CALLS = 8
"""Calls of one candidate, at most: the first prepares, the others are timed."""

_SECONDS = 2.0  # no further calls are timed after this, of all candidates together; preparing them takes 1 to 3 more
_SPEC = FeatureSpec("top", "avg")


@dataclass(frozen=True)
class Candidate:
    """A way to compute features."""

    engine: str
    precision: str

    @property
    def name(self) -> str:
        """Such as `openvino float32`."""
        return f"{self.engine} {self.precision}"


@dataclass(frozen=True)
class Measured:
    """What a candidate computed: features of the first images [n, width], and how many images a second."""

    features: np.ndarray
    rate: float


@dataclass
class _Measuring:
    """A candidate that is being measured: its features so far, and the seconds of each timed call."""

    frozen: FrozenPass
    features: list[np.ndarray] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def call(self, images: np.ndarray) -> None:
        """Compute images. The first call is not timed: it traces and compiles, and brings the weights into the order of its kernels."""
        first, started = not self.features, time.perf_counter()
        self.features += self.frozen(images)
        if not first:
            self.seconds.append(time.perf_counter() - started)


def images_in_call(pretrained: Pretrained, batch_size: int) -> int:
    """Return how many images of a batch are enough for one call: as many as an engine computes at once."""
    in_flight = IN_FLIGHT * FrozenPass(pretrained, [_SPEC], batch_size).rows
    return min(max(in_flight, resources.threads()["intra_op"]), batch_size)


def measure(
    tried: Mapping[Candidate, Pretrained], batch: np.ndarray, in_call: int, advance: Callable[[int], None] = lambda count: None
) -> tuple[dict[Candidate, Measured], dict[Candidate, str]]:
    """Let candidates compute in turn, so that other work on the machine slows all of them down; each call has other images.

    Args:
        tried: each with its backbone.
        batch: uint8 [CALLS * in_call, size, size, 3].
        in_call: images in one call.
        advance: called with 1 when a candidate is prepared.

    Returns:
        The candidates that can compute, and why the others cannot.
    """
    measuring: dict[Candidate, _Measuring] = {}
    failed: dict[Candidate, str] = {}
    for one, pretrained in tried.items():
        measuring[one] = _Measuring(FrozenPass(pretrained, [_SPEC], in_call))
        try:
            measuring[one].call(batch[: measuring[one].frozen.rows])
        except EngineError as error:
            del measuring[one]
            failed[one] = str(error)
        advance(1)
    for start in range(in_call, len(batch), in_call):
        for found in measuring.values():
            found.call(batch[start : start + in_call])
        if sum(sum(found.seconds) for found in measuring.values()) >= _SECONDS:
            break
    return {one: Measured(np.concatenate(found.features), in_call / min(found.seconds)) for one, found in measuring.items()}, failed
