"""The graph of a Keras model as a list of steps, which can be looked at and computed in part.

Keras has no public way to walk a functional model. This is the only file that uses its private attributes.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from transfer.errors import TransferError


@dataclass(frozen=True)
class Step:
    """One call of a layer or operation.

    Attributes:
        node: Keras's record of the call.
        sources: for each tensor it takes, the position of the step that makes it and which of that step's outputs it is.
        parameters: number of weights it adds, trained or not; 0 if an earlier step calls the same layer.
    """

    node: Any
    sources: tuple[tuple[int, int], ...]
    parameters: int

    @property
    def operation(self) -> Any:
        """The Keras layer or operation."""
        return self.node.operation

    @property
    def name(self) -> str:
        """The layer's name, such as `block1_conv1`."""
        return self.operation.name

    @property
    def kind(self) -> str:
        """Name of the layer's class, such as `Conv2D`."""
        return type(self.operation).__name__

    @property
    def inputs(self) -> list[int]:
        """Positions of the steps whose outputs it takes."""
        return [position for position, _ in self.sources]

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the tensors it takes, without the batch."""
        return [tuple(tensor.shape[1:]) for tensor in self.node.input_tensors]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of its (first) output, without the batch."""
        return tuple(self.node.output_tensors[0].shape[1:])

    @property
    def output_values(self) -> int:
        """Number of values it computes for one image."""
        return sum(math.prod(tensor.shape[1:]) for tensor in self.node.output_tensors)

    @property
    def argument_shapes(self) -> list[tuple[Any, ...]]:
        """Shapes of all its arguments, batch (None) and constants included: a functional convolution has its kernel there."""
        arguments = keras.tree.flatten([self.node.arguments.args, self.node.arguments.kwargs])
        return [tuple(value.shape) for value in arguments if hasattr(value, "shape")]


class Graph:
    """A functional model with one input, as steps in the order of computing; the steps of models inside it are included."""

    def __init__(self, model: keras.Model) -> None:
        self.steps: list[Step] = []
        self._made_by: dict[int, tuple[int, int]] = {}  # id of a tensor -> the step that makes it, and which output it is
        self._counted: set[int] = set()  # ids of the operations whose weights are counted
        self._walk(model)
        self.input, self.output = self.maker(model.inputs[0]), self.maker(model.outputs[0])

    def maker(self, tensor: keras.KerasTensor) -> int:
        """Return the position of the step that makes a tensor of the model."""
        return self._made_by[id(tensor)][0]

    def named(self, name: str) -> int:
        """Return the position of the first step of a name.

        Raises:
            TransferError: if there is none.
        """
        for position, step in enumerate(self.steps):
            if step.name == name:
                return position
        raise TransferError(f"The network has no layer of this name. Received {name!r}. This is a defect.")

    def main_line(self, start: int = 0) -> list[int]:
        """Return the positions from `start` on that everything passes through: no later step takes an earlier output."""
        passed, reach = [], len(self.steps)
        for position in range(len(self.steps) - 1, start - 1, -1):
            if reach >= position:
                passed.append(position)
            reach = min([reach, *self.steps[position].inputs])
        return passed[::-1]

    def compute(self, given: Mapping[int, Any], wanted: Iterable[int]) -> dict[int, Any]:
        """Compute steps in inference mode, given the outputs of others; only what they need is computed.

        Args:
            given: position -> (first) output of a step.
            wanted: positions.

        Returns:
            Position -> (first) output of each wanted step.
        """
        values: dict[int, list[Any]] = {}
        for position, value in given.items():
            dtype = self.steps[position].node.output_tensors[0].dtype
            values[position] = [value if isinstance(value, keras.KerasTensor) else keras.ops.convert_to_tensor(value, dtype)]
        wanted = list(wanted)
        for position in self._needed(values, wanted):
            step = self.steps[position]
            taken = [values[maker][number] for maker, number in step.sources]
            known = {id(tensor): each for tensor, each in zip(step.node.input_tensors, taken, strict=True)}
            arguments, options = step.node.arguments.fill_in(known)
            values[position] = keras.tree.flatten(step.operation(*arguments, **options))
        return {position: values[position][0] for position in wanted}

    def symbolic(self) -> keras.KerasTensor:
        """Return the output computed from the input once more, without the models inside: the layers are called anew."""
        return self.compute({self.input: self.steps[self.input].node.output_tensors[0]}, [self.output])[self.output]

    def _needed(self, given: Collection[int], wanted: Iterable[int]) -> list[int]:
        """Return the positions that have to be computed, in order."""
        needed: set[int] = set()
        open_ends = set(wanted) - set(given)
        while open_ends:
            needed |= open_ends
            open_ends = {source for position in open_ends for source in self.steps[position].inputs} - needed - set(given)
        return sorted(needed)

    def between(self, start: int, end: int) -> Callable[[Any], Any]:
        """Return the function from the output of one step to the (first) output of another."""
        return lambda value: self.compute({start: value}, [end])[end]

    def _walk(self, model: keras.Model) -> None:
        for node in nodes(model):
            if isinstance(node.operation, keras.Model) and hasattr(_functional(node.operation), "_nodes_by_depth"):
                inner = _functional(node.operation)
                self._same(inner.inputs, node.input_tensors)
                self._walk(inner)
                self._same(node.output_tensors, inner.outputs)
            elif not node.is_input or id(node.output_tensors[0]) not in self._made_by:
                self._add(node)

    def _same(self, tensors: list[keras.KerasTensor], others: list[keras.KerasTensor]) -> None:
        for tensor, other in zip(tensors, others, strict=True):
            self._made_by[id(tensor)] = self._made_by[id(other)]

    def _add(self, node: Any) -> None:
        weights = [] if id(node.operation) in self._counted else getattr(node.operation, "weights", [])
        self._counted.add(id(node.operation))
        sources = tuple(self._made_by[id(tensor)] for tensor in node.input_tensors)
        for number, tensor in enumerate(node.output_tensors):
            self._made_by[id(tensor)] = (len(self.steps), number)
        self.steps.append(Step(node, sources, sum(math.prod(weight.shape) for weight in weights)))


def nodes(model: keras.Model) -> list[Any]:
    """Return Keras's records of the calls in a functional model, in the order of computing; a model inside is one call."""
    by_depth = _functional(model)._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def input_of(model: keras.Model, layer: keras.Layer) -> keras.KerasTensor:
    """Return the tensor that a layer takes in a model; `layer.input` may be one of another model that shares the layer."""
    return next(node for node in nodes(model) if node.operation is layer).input_tensors[0]


def all_layers(model: keras.Layer) -> list[keras.Layer]:
    """Return the layers of a model, or of a layer, and itself, those inside other models and layers included."""
    return list(model._flatten_layers())


def _functional(model: keras.Model) -> Any:
    return getattr(model, "_functional", None) or model  # a Sequential holds a functional model
