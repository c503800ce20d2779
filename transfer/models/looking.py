"""What can be looked at inside a trained Keras model: its first filters, and the activation maps of its layers.

The model may hold other models (backbone, head), as a run's `model.keras` does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from transfer.errors import ConfigError, nearest
from transfer.models.anatomy.steps import Step, Steps

_STARTS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "EinsumDense")
_LISTED = 40


@dataclass(frozen=True)
class Filters:
    """Weights with which a network first looks at an image.

    Attributes:
        layer: whose weights they are.
        kernels: float32 [n, h, w, 3] in the order red, green, blue, or [n, h, w, 1] of a network that sees grey.
        whole: whether they see the whole image (a dense layer on pixels) instead of a window that moves over it.
    """

    layer: str
    kernels: np.ndarray
    whole: bool


def first_filters(model: keras.Model) -> Filters | None:
    """Return the filters of the first convolution, or of a first dense layer on pixels; None where there is neither."""
    found = next((step for step in Steps(model).list if step.kind in (*_STARTS, "Dense")), None)
    if found is None or found.kind not in ("Conv2D", "Dense"):
        return None
    kernel = np.asarray(keras.ops.convert_to_numpy(found.operation.kernel), np.float32)
    seen = _seen(model, found)
    if seen is None or seen.shape[-1] not in (1, 3):
        return None
    if found.kind == "Dense":
        kernel = kernel.reshape(*seen.shape[1:], -1)
    if kernel.shape[2] != seen.shape[-1]:  # a convolution in groups
        return None
    return Filters(found.name, np.moveaxis(kernel[:, :, _colours(seen)], 3, 0), found.kind == "Dense")


def map_layers(model: keras.Model) -> dict[str, tuple[int, int, int]]:
    """Return the layers that give maps, in the order of computing: name -> height, width, channels."""
    layers: dict[str, tuple[int, int, int]] = {}
    for step in _with_maps(Steps(model).list):
        height, width, channels = step.output_shape
        layers.setdefault(step.name, (height, width, channels))
    return layers


def along(model: keras.Model, count: int = 3) -> list[str]:
    """Return at most `count` layers at equal distances, from the first convolution to the last layer whose map has places.

    Only layers that everything passes through: not the branches between. A network without a convolution has none.
    """
    steps = Steps(model).list
    start = next((position for position, step in enumerate(steps) if step.kind in _STARTS), len(steps))
    names = [step.name for step in _with_maps(_main_line(steps, start)) if max(step.output_shape[:2]) > 1]
    places = np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)
    return list(dict.fromkeys(names[place] for place in places))


def require(model: keras.Model, names: Sequence[str]) -> None:
    """Check that a model has layers of these names that give maps.

    Raises:
        ConfigError: with the nearest name that is valid.
    """
    valid = list(map_layers(model))
    for name in names:
        if name in valid:
            continue
        near = nearest(name, valid)
        hint = f" Did you mean {near!r}?" if near else ""
        listed = f"Layers with maps: {', '.join(valid) or 'none'}." if len(valid) <= _LISTED else f"It has {len(valid)} layers with maps."
        raise ConfigError(f"The network has no layer of this name that gives maps.{hint} {listed} Received --layer {name!r}.")


def activations(model: keras.Model, images: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return what layers give for images.

    Args:
        model: takes RGB in 0..255, float32 [n, size, size, 3].
        images: any numbers in 0..255 [n, size, size, 3]. All maps up to the last layer wanted are held at once: few at a time.
        names: of layers; see `map_layers`.

    Returns:
        Name -> float32 [n, h, w, c], in the order of `names`.
    """
    found: dict[str, np.ndarray] = {}
    for operation, _, output in _computed(model, images):
        if operation.name in names and operation.name not in found and len(getattr(output, "shape", ())) == 4:
            found[operation.name] = _array(output)
            if len(found) == len(set(names)):
                break
    return {name: found[name] for name in names}


def _with_maps(steps: list[Step]) -> Iterator[Step]:
    return (step for step in steps if len(step.output_shape) == 3 and step.kind != "InputLayer")


def _main_line(steps: list[Step], start: int) -> list[Step]:
    """Return the steps from `start` on which no later step reaches behind: everything passes through their outputs."""
    passed, reach = [], len(steps)
    for position in range(len(steps) - 1, start - 1, -1):
        if reach >= position:
            passed.append(steps[position])
        reach = min([reach, *steps[position].inputs])
    return passed[::-1]


def _seen(model: keras.Model, step: Step) -> np.ndarray | None:
    """Return what reaches a step of a black, a red, a green and a blue image, before it is flattened: [4, h, w, c]."""
    images = np.zeros((4, *model.input_shape[1:]), np.float32)
    for channel in range(3):
        images[1 + channel, :, :, channel] = 255
    last = None
    for operation, inputs, _ in _computed(model, images):
        if type(operation).__name__ == "Flatten" or (operation is step.operation and len(inputs.shape) == 4):
            last = _array(inputs)
        if operation is step.operation:
            break
    return last


def _colours(seen: np.ndarray) -> list[int]:
    """Return which channels of what a layer sees are red, green and blue: some backbones take them in reverse order."""
    if seen.shape[-1] == 1:
        return [0]
    answers = np.abs(seen[1:] - seen[:1]).mean((1, 2))  # [red, green, blue images; channels]
    order = [int(place) for place in answers.argmax(1)]
    return order if len(set(order)) == 3 else [0, 1, 2]


def _computed(model: keras.Model, pixels: np.ndarray) -> Iterator[tuple[Any, Any, Any]]:
    """Compute a model step by step, in inference mode; yield each operation with its first input and its output."""
    images = keras.ops.convert_to_tensor(np.asarray(pixels, np.float32))
    graph = _graph(model)
    yield from _walked(graph, {id(graph.inputs[0]): images})


def _walked(graph: Any, values: dict[int, Any]) -> Iterator[tuple[Any, Any, Any]]:
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            arguments, options = node.arguments.fill_in(values)
            if isinstance(node.operation, keras.Model):
                inner = _graph(node.operation)
                inside = {id(tensor): values[id(outer)] for tensor, outer in zip(inner.inputs, node.input_tensors, strict=True)}
                yield from _walked(inner, inside)
                outputs = [inside[id(tensor)] for tensor in inner.outputs]
            else:
                result = node.operation(*arguments, **options)
                outputs = keras.tree.flatten(result)
                yield node.operation, values[id(node.input_tensors[0])], outputs[0]
            values |= {id(tensor): output for tensor, output in zip(node.output_tensors, outputs, strict=True)}


def _graph(model: keras.Model) -> Any:
    return getattr(model, "_functional", None) or model  # a Sequential holds a functional model


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")))
