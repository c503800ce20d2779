"""The multiply-adds of a layer for one image, as papers count them.

Counted are the products that are summed by convolutions, dense layers and products of matrices, those with padded zeros
included. As in the papers, biases, normalisation, activation, pooling, preprocessing and element-wise layers (sums, the
scaling by squeeze-and-excite) count none: they are few, and normalisation folds into the convolution before it.
"""

import math

from transfer.models.anatomy.layer_kinds import PRODUCTS, WITHOUT_PRODUCTS, window
from transfer.models.graph import Step


def multiply_adds(step: Step) -> int | None:
    """Return the multiply-adds of a step for one image; None for a kind of layer that is not known."""
    if step.kind in WITHOUT_PRODUCTS:
        return 0
    if step.kind in PRODUCTS:
        return _of_products(step)
    seen = window(step)
    if seen is None:
        return None
    height, width, filters = step.output_shape
    channels = step.input_shapes[0][-1]
    places, weights = height * width, math.prod(seen.kernel)  # weights of one kernel and one channel
    if step.kind in ("Conv2D", "Conv"):
        seen_channels = step.argument_shapes[1][2] if step.kind == "Conv" else channels // step.operation.groups
        return places * weights * seen_channels * filters
    if step.kind in ("DepthwiseConv2D", "DepthwiseConv"):
        return places * weights * filters
    deep = channels * (step.argument_shapes[1][3] if step.kind == "SeparableConv" else step.operation.depth_multiplier)
    return places * deep * (weights + filters)


def _of_products(step: Step) -> int | None:
    if step.kind in ("Dense", "Matmul"):
        return step.output_values * step.input_shapes[0][-1]
    if step.kind == "EinsumDense":
        return _of_einsum(step.operation.equation, [(None, *step.input_shapes[0]), tuple(step.operation.kernel.shape)])
    return _of_einsum(step.operation.subscripts, step.argument_shapes)


def _of_einsum(equation: str, shapes: list[tuple[int | None, ...]]) -> int | None:
    """Multiply the sizes of all indices of an equation such as `nhwp,hwpf->nhwf`; the batch (None) counts as one image."""
    operands = equation.replace(" ", "").partition("->")[0].split(",")
    if "." in equation or [len(indices) for indices in operands] != [len(shape) for shape in shapes]:
        return None
    sizes = {index: size or 1 for indices, shape in zip(operands, shapes, strict=True) for index, size in zip(indices, shape, strict=True)}
    return math.prod(sizes.values())
