"""How many multiply-adds a layer takes for one image, as papers count them.

Counted are the products that are summed by convolutions, dense layers and products of matrices, those with padded zeros
included. As in the papers, biases, normalisation, activation, pooling, preprocessing and element-wise layers (sums, the
scaling by squeeze-and-excite) count none: they are few, and normalisation folds into the convolution before it.
"""

import math

from transfer.models.anatomy.layer_kinds import PRODUCTS, WITHOUT_PRODUCTS
from transfer.models.anatomy.windows import window
from transfer.models.graph import Step


def multiply_adds(step: Step) -> int | None:
    """Return the multiply-adds of a step for one image; None for a kind of layer that is not known here."""
    if step.kind in WITHOUT_PRODUCTS or step.kind == "InputLayer":
        return 0
    if step.kind in PRODUCTS:
        return _of_products(step)
    seen = window(step)
    if seen is None:
        return None
    height, width, filters = step.output_shape
    channels = step.input_shapes[0][-1]
    weights = math.prod(seen.kernel)  # of one kernel and one channel
    if step.kind in ("Conv2D", "Conv"):
        groups = channels // step.argument_shapes[1][2] if step.kind == "Conv" else step.operation.groups
        return height * width * weights * (channels // groups) * filters
    if step.kind in ("DepthwiseConv2D", "DepthwiseConv"):
        return height * width * weights * filters
    deep = channels * (step.argument_shapes[1][3] if step.kind == "SeparableConv" else step.operation.depth_multiplier)
    return height * width * deep * (weights + filters)


def _of_products(step: Step) -> int | None:
    if step.kind == "Dense":
        return step.output_values * step.input_shapes[0][-1]
    if step.kind == "Matmul":
        return step.output_values * step.input_shapes[0][-1]
    if step.kind == "EinsumDense":
        shapes = [(1, *step.input_shapes[0]), tuple(step.operation.kernel.shape)]
        return _of_einsum(step.operation.equation, shapes)
    shapes = [(1, *shape[1:]) if shape[:1] == (None,) else shape for shape in step.argument_shapes]
    return _of_einsum(step.operation.subscripts, shapes)


def _of_einsum(equation: str, shapes: list[tuple[int, ...]]) -> int | None:
    """Multiply the sizes of all indices of an equation such as `nhwp,hwpf->nhwf`."""
    operands = equation.replace(" ", "").partition("->")[0].split(",")
    if "." in equation or [len(labels) for labels in operands] != [len(shape) for shape in shapes]:
        return None
    sizes = {label: size for labels, shape in zip(operands, shapes, strict=True) for label, size in zip(labels, shape, strict=True)}
    return math.prod(sizes.values())
