"""The sliding window of a layer: kernel, stride, dilation and padding of convolutions and poolings, in height and width."""

from dataclasses import dataclass
from typing import Any

from transfer.models.anatomy.layer_arithmetic import same_padding
from transfer.models.anatomy.layer_kinds import WINDOWED
from transfer.models.graph import Step


@dataclass(frozen=True)
class Window:
    """What one output value of a layer sees of the layer's input; each pair is (height, width), in values of the input."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: str

    def extent(self, axis: int) -> int:
        """Return the side of the window with the gaps of its dilation, in height (0) or width (1)."""
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def zeros_before(self, axis: int, size: int) -> int:
        """Return the zeros that the layer adds before an input of this size."""
        return same_padding(size, self.extent(axis), self.stride[axis])[0] if self.padding == "same" else 0


def window(step: Step) -> Window | None:
    """Return the window of a step; None where it has none, or not over height and width in this order."""
    operation = step.operation
    if step.kind not in WINDOWED or len(step.input_shapes[0]) != 3:
        return None
    if getattr(operation, "data_format", None) not in (None, "channels_last"):
        return None
    kernel = _kernel(step)
    stride = _pair(getattr(operation, "strides", None)) or kernel
    dilation = _pair(getattr(operation, "dilation_rate", None)) or (1, 1)
    padding = str(operation.padding).lower()
    if kernel is None or stride is None or padding not in ("same", "valid"):
        return None
    return Window(kernel, stride, dilation, padding)


def _kernel(step: Step) -> tuple[int, int] | None:
    for attribute in ("kernel_size", "pool_size", "size"):
        pair = _pair(getattr(step.operation, attribute, None))
        if pair:
            return pair
    # A functional convolution has its kernel, [height, width, ...], as second argument.
    return _pair(step.argument_shapes[1][:2]) if len(step.argument_shapes) > 1 else None


def _pair(value: Any) -> tuple[int, int] | None:
    if isinstance(value, int):
        return value, value
    if isinstance(value, list | tuple) and len(value) == 2:
        return int(value[0]), int(value[1])
    return None
