"""What is known of each kind of layer, by the name of its class in Keras: layers and functional operations.

A kind that is not listed here counts no multiply-adds and has no receptive field: nothing is guessed.
"""

import re
from dataclasses import dataclass
from typing import Any

from transfer.models.anatomy.layer_arithmetic import same_padding
from transfer.models.graph import Step

CONVOLUTIONS = {
    "Conv2D": "conv", "Conv": "conv", "DepthwiseConv2D": "depthwise", "DepthwiseConv": "depthwise",
    "SeparableConv2D": "separable", "SeparableConv": "separable",
}  # fmt: skip
"""Layers that slide a kernel over the image, and what the table calls them."""

POOLINGS = {
    "MaxPooling2D": "max pool", "MaxPool": "max pool", "AveragePooling2D": "avg pool", "AveragePool": "avg pool",
    "ExtractPatches": "patches",
}  # fmt: skip
"""Layers that slide a window without weights."""

PRODUCTS = {"Dense": "dense", "EinsumDense": "einsum dense", "Einsum": "einsum", "Matmul": "matrix product"}
"""Layers that are products of matrices."""

GLOBAL = {
    "GlobalAveragePooling2D": "global avg pool", "GlobalMaxPooling2D": "global max pool", "Flatten": "flatten",
    "GroupNormalization": "group norm",
}  # fmt: skip
"""Layers of which every value depends on all places."""

PADDED = {"ZeroPadding2D": "zero padding", "Cropping2D": "cropping", "Pad": "padding"}
"""Layers that move the border."""

RESHAPED = {"Reshape": "reshape", "Permute": "permute", "Transpose": "transpose", "GetItem": "slice", "Squeeze": "squeeze"}
"""Layers that move values without computing."""

PLACEWISE = {
    "BatchNormalization": "batch norm", "LayerNormalization": "layer norm", "Normalization": "standardise",
    "RGBToGrayscale": "grey", "ReLU": "ReLU", "LeakyReLU": "leaky ReLU", "PReLU": "PReLU", "ELU": "ELU",
    "SpatialDropout2D": "dropout", "GaussianDropout": "dropout", "GaussianNoise": "noise", "ActivityRegularization": "penalty",
    "StochasticDepth": "drop path", "Concatenate": "concat", "TrueDivide": "divide",
} | {
    kind: re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()
    for kind in (
        "Absolute", "Activation", "Add", "Average", "Cast", "Clip", "Divide", "Dropout", "Elu", "Exp", "Gelu", "HardSigmoid", "HardSilu",
        "Identity", "LayerScale", "LeakyRelu", "Log", "Maximum", "Minimum", "Multiply", "Negative", "Power", "Relu", "Relu6",
        "Rescaling", "Rsqrt", "Selu", "Sigmoid", "Silu", "Softmax", "Softplus", "Sqrt", "Square", "Subtract", "Tanh",
    )
}  # fmt: skip
"""Layers of which a value depends on the same place of the inputs (and on all channels there)."""

WITHOUT_PRODUCTS = {"InputLayer": "input"} | POOLINGS | GLOBAL | PADDED | PLACEWISE | RESHAPED
"""Layers that count no multiply-adds; see `multiply_adds.py`."""

_NAMES = WITHOUT_PRODUCTS | CONVOLUTIONS | PRODUCTS


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
        """Return the number of zeros that the layer adds before an input of this size."""
        return same_padding(size, self.extent(axis), self.stride[axis])[0] if self.padding == "same" else 0


def window(step: Step) -> Window | None:
    """Return the window of a step; None if it has none, or not over height and width in this order."""
    operation = step.operation
    if step.kind not in CONVOLUTIONS | POOLINGS or len(step.input_shapes[0]) != 3:
        return None
    if getattr(operation, "data_format", None) not in (None, "channels_last"):
        return None
    sides = [_pair(getattr(operation, attribute, None)) for attribute in ("kernel_size", "pool_size", "size")]
    if len(step.argument_shapes) > 1:  # a functional convolution has its kernel, [height, width, ...], as second argument
        sides.append(_pair(step.argument_shapes[1][:2]))
    kernel = next((pair for pair in sides if pair), None)
    stride = _pair(getattr(operation, "strides", None)) or kernel
    padding = str(operation.padding).lower()
    if kernel is None or stride is None or padding not in ("same", "valid"):
        return None
    return Window(kernel, stride, _pair(getattr(operation, "dilation_rate", None)) or (1, 1), padding)


def _pair(value: Any) -> tuple[int, int] | None:
    if isinstance(value, int):
        return value, value
    if isinstance(value, list | tuple) and len(value) == 2:
        return int(value[0]), int(value[1])
    return None


def label(step: Step) -> str:
    """Return what a step is called in the table: `conv 3x3 /2` for a kernel of 3x3 at stride 2; Keras's class if not known."""
    words = [_NAMES.get(step.kind, step.kind)]
    groups = step.operation.groups if step.kind == "Conv2D" else 1
    if groups > 1:
        words = ["depthwise" if groups == step.input_shapes[0][-1] else f"conv, {groups} groups"]
    seen = window(step)
    if seen is not None:
        words.append("x".join(map(str, seen.kernel)))
        if seen.stride != (1, 1):
            words.append("/" + "x".join(str(side) for side in dict.fromkeys(seen.stride)))
        if seen.dilation != (1, 1):
            words.append(f"dilation {max(seen.dilation)}")
    return " ".join(words)
