"""A look inside a trained Keras model: its first filters and the activation maps of its layers.

The model may contain other models (backbone, head), as a run's `model.keras` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from transfer.errors import ConfigError, nearest
from transfer.models.graph import Graph, Step

_STARTS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "EinsumDense")
_LISTED = 40


@dataclass(frozen=True)
class Filters:
    """The first weights that an image meets in a network.

    Attributes:
        layer: whose weights they are.
        kernels: float32 [n, h, w, 3] in the order red, green, blue, or [n, h, w, 1] of a network that sees grey.
        whole: whether they see the whole image (a dense layer on pixels) instead of a window that moves over it.
    """

    layer: str
    kernels: np.ndarray
    whole: bool


def first_filters(model: keras.Model) -> Filters | None:
    """Return the filters of the first convolution, or of a first dense layer on pixels; None if there is neither."""
    graph = Graph(model)
    position = next((position for position, step in enumerate(graph.steps) if step.kind in (*_STARTS, "Dense")), 0)
    found = graph.steps[position]
    if found.kind not in ("Conv2D", "Dense"):
        return None
    kernel = np.asarray(keras.ops.convert_to_numpy(found.operation.kernel), np.float32)
    seen = _seen(graph, position)
    if seen is None or seen.shape[-1] not in (1, 3):
        return None
    if found.kind == "Dense":
        kernel = kernel.reshape(*seen.shape[1:], -1)
    if kernel.shape[2] != seen.shape[-1]:  # a convolution in groups
        return None
    return Filters(found.name, np.moveaxis(kernel[:, :, _colours(seen)], 3, 0), found.kind == "Dense")


def map_layers(model: keras.Model) -> dict[str, tuple[int, int, int]]:
    """Return the layers that give maps, in the order of computing: name -> height, width, channels."""
    graph = Graph(model)
    shapes = {name: graph.steps[position].output_shape for name, position in _with_maps(graph).items()}
    return {name: (height, width, channels) for name, (height, width, channels) in shapes.items()}


def along(model: keras.Model, count: int = 3) -> list[str]:
    """Return up to `count` evenly spaced layers, from the first convolution to the last layer with more than one place.

    Only layers that everything passes through, not those of branches. A network without a convolution has none.
    """
    graph = Graph(model)
    start = next((position for position, step in enumerate(graph.steps) if step.kind in _STARTS), len(graph.steps))
    steps = [graph.steps[position] for position in graph.main_line(start)]
    names = [step.name for step in steps if _gives_maps(step) and max(step.output_shape[:2]) > 1]
    places = np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)
    return list(dict.fromkeys(names[place] for place in places))


def require(model: keras.Model, names: Sequence[str]) -> None:
    """Check that a model has layers of these names that give maps.

    Raises:
        ConfigError: with the nearest valid name.
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
    """Return the outputs of layers for images.

    Args:
        model: takes RGB in 0..255, float32 [n, size, size, 3].
        images: any numbers in 0..255 [n, size, size, 3]; a few at a time, since all maps up to the last layer are held at once.
        names: of layers; see `map_layers`.

    Returns:
        Name -> float32 [n, h, w, c], in the order of `names`.
    """
    graph = Graph(model)
    positions = _with_maps(graph)
    computed = graph.compute({graph.input: images}, [positions[name] for name in names])
    return {name: _array(computed[positions[name]]) for name in names}


def _gives_maps(step: Step) -> bool:
    return len(step.output_shape) == 3 and step.kind != "InputLayer"


def _with_maps(graph: Graph) -> dict[str, int]:
    """Return the positions of the steps that give maps; the first one for a layer that is called several times."""
    positions: dict[str, int] = {}
    for position, step in enumerate(graph.steps):
        if _gives_maps(step):
            positions.setdefault(step.name, position)
    return positions


def _seen(graph: Graph, position: int) -> np.ndarray | None:
    """Return the maps that a step receives for a black, a red, a green and a blue image, before they are flattened: [4, h, w, c]."""
    takers = [place for place in range(position + 1) if graph.steps[place].kind == "Flatten"]
    if len(graph.steps[position].input_shapes[0]) == 3:
        takers.append(position)
    if not takers:
        return None
    images = np.zeros((4, *graph.steps[graph.input].output_shape), np.float32)
    for channel in range(3):
        images[1 + channel, :, :, channel] = 255
    return _array(graph.between(graph.input, graph.steps[takers[-1]].inputs[0])(images))


def _colours(seen: np.ndarray) -> list[int]:
    """Return which of a layer's input channels are red, green and blue: some backbones take them in reverse order."""
    if seen.shape[-1] == 1:
        return [0]
    answers = np.abs(seen[1:] - seen[:1]).mean((1, 2))  # [red, green, blue images; channels]
    order = [int(place) for place in answers.argmax(1)]
    return order if len(set(order)) == 3 else [0, 1, 2]


def _array(tensor: keras.KerasTensor) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")))
