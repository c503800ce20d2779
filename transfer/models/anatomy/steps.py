"""A Keras model as a list of steps: each layer or operation that computes, in order, those of nested models included."""

import math
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class Step:
    """One call of a layer or operation.

    Attributes:
        name, kind: the layer's name and its class (`block1_conv1`, `Conv2D`).
        operation: the Keras layer or operation.
        inputs: positions of the steps whose outputs it takes.
        input_shapes: shapes of what it takes, without the batch.
        output_shape: shape of what it gives (the first, where there are several), without the batch.
        outputs: values that it gives for one image.
        parameters: weights that it brings, trained or not; 0 where an earlier step with the same layer brought them.
        arguments: shapes of its arguments with the batch, constants included: what a functional convolution has as kernel.
    """

    name: str
    kind: str
    operation: Any
    inputs: tuple[int, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    outputs: int
    parameters: int
    arguments: tuple[tuple[int, ...], ...]


class Steps:
    """All steps of a functional model, each after those whose outputs it takes."""

    def __init__(self, model: keras.Model) -> None:
        self.list: list[Step] = []
        self._made_by: dict[int, int] = {}  # id of a tensor -> position of the step that makes it
        self._counted: set[int] = set()
        self._walk(model)

    def maker(self, tensor: keras.KerasTensor) -> int:
        """Return the position of the step that makes a tensor of the model."""
        return self._made_by[id(tensor)]

    def _walk(self, model: keras.Model) -> None:
        graph = getattr(model, "_functional", None) or model  # a Sequential holds a functional model
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if isinstance(node.operation, keras.Model):
                    self._walk_nested(node)
                elif not node.is_input or id(node.output_tensors[0]) not in self._made_by:
                    self._add(node)

    def _walk_nested(self, node: Any) -> None:
        inner = getattr(node.operation, "_functional", None) or node.operation
        for outside, inside in zip(node.input_tensors, inner.inputs, strict=True):
            self._made_by[id(inside)] = self.maker(outside)
        self._walk(inner)
        for outside, inside in zip(node.output_tensors, inner.outputs, strict=True):
            self._made_by[id(outside)] = self.maker(inside)

    def _add(self, node: Any) -> None:
        operation = node.operation
        new = id(operation) not in self._counted
        self._counted.add(id(operation))
        arguments = keras.tree.flatten([node.arguments.args, node.arguments.kwargs])
        shapes = [tuple(tensor.shape[1:]) for tensor in node.output_tensors]
        step = Step(
            name=operation.name,
            kind=type(operation).__name__,
            operation=operation,
            inputs=tuple(self.maker(tensor) for tensor in node.input_tensors),
            input_shapes=tuple(tuple(tensor.shape[1:]) for tensor in node.input_tensors),
            output_shape=shapes[0],
            outputs=sum(math.prod(shape) for shape in shapes),
            parameters=sum(math.prod(weight.shape) for weight in getattr(operation, "weights", [])) if new else 0,
            arguments=tuple(tuple(value.shape) for value in arguments if hasattr(value, "shape")),
        )
        for tensor in node.output_tensors:
            self._made_by[id(tensor)] = len(self.list)
        self.list.append(step)
