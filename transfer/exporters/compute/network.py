"""The network of an export, computed by OpenVINO."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from tensorflow.core.framework import graph_pb2

from transfer.errors import EngineError
from transfer.exporters.served import Answers
from transfer.models import openvino_engine
from transfer.system.resources import cores

_PIXELS = 1 << 12  # of small images are computed at a time by one core


def engine_name() -> str:
    """Return OpenVINO with its version, for people."""
    return f"OpenVINO {openvino_engine.version()}"


@dataclass(frozen=True)
class Network:
    """What the signature `images` computes, by OpenVINO; may be called by several threads.

    Attributes:
        names: of its outputs.
        precision: in which it computes.
        single: computes one image on all cores.
        batch: computes several, each core its own.
    """

    names: tuple[str, ...]
    precision: str
    single: openvino_engine.Compiled
    batch: openvino_engine.Compiled

    @classmethod
    def of(cls, definition: graph_pb2.GraphDef, outputs: Mapping[str, str], size: int, precision: str) -> Self:
        """Convert and compile a frozen graph.

        Args:
            definition: in float32; one input, float32 [n, size, size, 3].
            outputs: name of each output -> name of its tensor.
            size: side of the images in pixels.
            precision: of the run: a 16-bit one is used if the processor computes in it.

        Raises:
            EngineError: if OpenVINO cannot be used, or not for this graph.
        """
        own = precision if precision == "bfloat16" and openvino_engine.computes_in(precision) else "float32"
        tensors, threads = list(outputs.values()), cores()
        single = openvino_engine.compiled(definition, tensors, own, 1, threads, 1)
        batch = openvino_engine.compiled(definition, tensors, own, max(1, _PIXELS // size**2), threads, threads)
        return cls(tuple(outputs), own, single, batch)

    def __call__(self, images: np.ndarray) -> Answers:
        """Classify n decoded images, RGB in 0..255, [n, size, size, 3].

        Raises:
            EngineError: if OpenVINO fails, for example for lack of memory.
        """
        try:
            found = (self.single if len(images) == 1 else self.batch)(images.astype(np.float32, copy=False))
        except RuntimeError as error:
            raise EngineError(f"OpenVINO fails: {str(error).strip().splitlines()[-1]} Use another --compute.") from None
        return Answers(**dict(zip(self.names, found, strict=True)))
