"""Which part of a network is computed in 8-bit integers, and the training images from which their ranges are taken."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from transfer.errors import ExportError
from transfer.exporters.formats.graph import INPUT


@dataclass(frozen=True)
class Operator:
    """One operator of a converted graph.

    Attributes:
        name: by which the quantizer knows it.
        kind: its type, such as `Conv` or `FULLY_CONNECTED`.
        inputs, outputs: its tensors.
    """

    name: str
    kind: str
    inputs: tuple[str | int, ...]
    outputs: tuple[str | int, ...]


@dataclass(frozen=True)
class Quantizable:
    """What can be quantized: the operators up to the last convolution, and the dense layers between it and the last layer."""

    convolutional: list[Operator]
    hidden: list[Operator]


def quantizable(operators: Sequence[Operator], probabilities: str | int, convolutions: Iterable[str], dense: Iterable[str]) -> Quantizable:
    """Return what can be quantized; the last layer and everything after it stay in float32.

    Args:
        operators: in order of execution.
        probabilities: the tensor of the probabilities.
        convolutions: kinds of convolutions.
        dense: kinds of dense layers.
    """
    upstream = _leading_to({probabilities}, operators)
    convolutional = _leading_to({tensor for one in upstream if one.kind in convolutions for tensor in one.outputs}, operators)
    layers = [one for one in upstream if one.kind in dense and one not in convolutional]
    return Quantizable(convolutional, layers[:-1])


def _leading_to(tensors: set[str | int], operators: Sequence[Operator]) -> list[Operator]:
    """Return the operators on which these tensors depend, in order of execution."""
    needed, found = set(tensors), []
    for operator in reversed(operators):
        if needed & set(operator.outputs):
            needed |= set(operator.inputs)
            found.append(operator)
    return found[::-1]


def nothing_to_quantize() -> ExportError:
    """Return the error for a network without layers that can be quantized."""
    return ExportError("The network has no layer that can be quantized to 8 bits. Leave --quantize out, or use float16.")


class Samples:
    """Images as inputs of the signature `images`, one at a time; can be iterated any number of times, or read with `get_next`."""

    def __init__(self, images: np.ndarray) -> None:
        """Keep images, uint8 [n, size, size, 3]; each becomes float32 when it is read."""
        self._images = images
        self._rest = iter(self)

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return ({INPUT: image[np.newaxis].astype(np.float32)} for image in self._images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next image, or None after the last one: the protocol of ONNX Runtime."""
        return next(self._rest, None)
