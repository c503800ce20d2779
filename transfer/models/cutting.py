"""Cut points of any backbone, found in its graph: where one tensor holds everything that the layers above depend on."""

import re

import keras

from transfer.models.graph import Graph, nodes
from transfer.models.rows import Cut

_HALVED = 1.5  # a map with a side this many times shorter begins a new resolution; convolutions without padding lose less
_POOLINGS = ("MaxPooling2D", "AveragePooling2D")
_JOINED = ("Add", "Concatenate")
_ONLY_SHAPE = ("InputLayer", "ZeroPadding2D", "Cropping2D")


def default_name(kind: str) -> str:
    """Return the name that Keras gives the first layer of a class: `Conv2D` -> `conv2d`."""
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def named_by_keras(name: str, kind: str) -> bool:
    """Return whether a layer of a class has the name that Keras gives it, such as `conv2d_5`: it changes with the layers made before."""
    return re.fullmatch(re.escape(default_name(kind)) + r"(_\d+)?", name) is not None


def cut_points(model: keras.Model, any_name: bool = False) -> tuple[Cut, ...]:
    """Return one cut point for each resolution, from the shallowest to the top: its last map, or the pooling that follows it.

    Layers that Keras named do not name cut points, since their names change: the layer above is named instead, if it takes one map.

    Args:
        model: images [n, h, w, 3] -> feature map [n, h, w, c]; layers of models inside it name none.
        any_name: all names are good: they stay as they are.
    """
    graph = Graph(model)
    first = next((position for position, step in enumerate(graph.steps) if step.parameters), 0)
    line = [at for at in graph.main_line(first) if at <= graph.output]
    maps = [at for at in line if len(graph.steps[at].output_shape) == 3 and graph.steps[at].kind not in _ONLY_SHAPE]
    whole, last = _side(graph, graph.input), _side(graph, graph.output)
    found = []
    for end in [_end(graph, those) for those in _resolutions(graph, maps)]:
        pooled = [at for at in maps if graph.steps[at].inputs == [end] and graph.steps[at].kind in _POOLINGS]
        place = pooled[0] if pooled else end
        if (
            last < _side(graph, end)
            and _side(graph, place) < whole
            and place != graph.output
            and (cut := _cut(model, graph, place, any_name)) is not None
        ):
            found.append(cut)
    top = _cut(model, graph, graph.output, any_name)
    return (*dict.fromkeys(found), Cut("top") if top is None or top.before else top)


def _resolutions(graph: Graph, maps: list[int]) -> list[list[int]]:
    """Return maps of the same resolution together, from the shallowest up."""
    groups: list[list[int]] = []
    for at in maps:
        if groups and _side(graph, at) * _HALVED > _side(graph, groups[-1][0]):
            groups[-1].append(at)
        else:
            groups.append([at])
    return groups


def _end(graph: Graph, maps: list[int]) -> int:
    """Return the last map of a resolution: the sum of its last block, if it has such, with its activation; what a block above it
    makes of it before it makes it smaller is no better and often wider."""
    joined = [number for number, at in enumerate(maps) if graph.steps[at].kind in _JOINED]
    if not joined:
        return maps[-1]
    number = joined[-1]
    while number + 1 < len(maps) and not graph.steps[maps[number + 1]].parameters and graph.steps[maps[number + 1]].kind not in _POOLINGS:
        number += 1
    return maps[number]


def _side(graph: Graph, position: int) -> int:
    return max(graph.steps[position].output_shape[:2])


def _cut(model: keras.Model, graph: Graph, position: int, any_name: bool) -> Cut | None:
    """Return the cut point at a step: named by the layer that makes the map, or by one that takes it and nothing else."""
    calls = [(node, node.operation.name, type(node.operation).__name__) for node in nodes(model)]
    stable = [(node, name) for node, name, kind in calls if any_name or not named_by_keras(name, kind)]
    for node, name in stable:
        if not node.is_input and graph.maker(node.output_tensors[0]) == position:
            return Cut(name, name)
    for node, name in stable:
        if [graph.maker(tensor) for tensor in node.input_tensors] == [position] and not node.is_input:
            return Cut(f"before_{name}", name, before=True)
    return None
