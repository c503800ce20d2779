"""Own backbones: a Keras model from images to a feature map becomes a row like those of the table."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import keras

from transfer.errors import ConfigError
from transfer.models.cutting import cut_points
from transfer.models.graph import Graph, nodes
from transfer.models.own import architecture, ends, kept
from transfer.models.own.checks import check
from transfer.models.rows import Backbone, Cut

_SIZE, _SMALLEST = 224, 8
_CHECKED_AT = 96  # px, where the network leaves the size open


@dataclass(frozen=True)
class Adopted:
    """An own backbone, kept in the cache.

    Attributes:
        row: as those of the table.
        names: how its layers were called -> how they are called in the row.
    """

    row: Backbone
    names: dict[str, str]


def adopt(given: Any, preprocessing: Any = None, cuts: Sequence[str] | None = None, size: int | None = None) -> Adopted:
    """Make a row of an own backbone, after checking that it is one, and keep it in the cache.

    Args:
        given: model from images [n, h, w, 3] to a feature map [n, h, w, c], or to tokens [n, t, c] of a square grid, with or without
            a class token before them; or a function that returns one: without arguments, or from the side of the images in pixels.
        preprocessing: from RGB in 0..255: `caffe`, `tf`, `torch`, `none`, a Keras model or layer, or a function on Keras tensors.
        cuts: names of layers at which it can be cut, from the shallowest up; none: those that are found. The top always is.
        size: side of the images in pixels, where the model leaves it open.

    Raises:
        ConfigError: if it is no backbone; says why, and what to do.
    """
    model = _model(given, size)
    before = ends.preprocessing(preprocessing)
    images = _images(model)
    after = ends.to_map(model)
    made = architecture.of_model(_functional(model, images), "backbone", before, after)
    open_size = images[0] is None
    side = images[0] or size or _SIZE
    checked = side if not open_size else min(side, _CHECKED_AT)
    own = _rebuilt(made.text, checked)
    own.set_weights(made.arrays)
    check(own, model, before, after, checked)
    found = _cuts(own, cuts, made.names)
    name = kept.reference(model.name, architecture.digest_of([made.digest, *(cut.name for cut in found)]))
    row = Backbone(
        name, "", "inside", side, _SMALLEST if open_size else side, found, paper="", defaults={"weights": kept.OWN},
        layers=_chain(own, found), architecture=made.text, only_size=not open_size,
    )  # fmt: skip
    kept.keep_backbone(row, made.arrays)
    return Adopted(row, made.names)


def _model(given: Any, size: int | None) -> keras.Model:
    model = given
    if not isinstance(given, keras.layers.Layer) and callable(given):
        parameters = [one for one in inspect.signature(given).parameters.values() if one.default is one.empty and one.kind < 2]
        model = given(size or _SIZE) if parameters else given()
    if not isinstance(model, keras.Model):
        raise ConfigError(
            "backbone: expected a name, a keras.Model from images to a feature map, or a function that returns one. "
            f"Received {ends.called(given)}{'' if model is given else f', which returns {type(model).__name__}'}."
        )
    return model


def _images(model: keras.Model) -> tuple[int | None, int | None]:
    """Return the height and width of the images that a model takes."""
    inputs = _inputs(model)
    if len(inputs) != 1:
        raise ConfigError(f"backbone: expected a model of one input, the images. Received {model.name!r} with {len(inputs)} inputs.")
    shape = tuple(inputs[0].shape)
    if len(shape) != 4 or shape[3] not in (3, None):
        raise ConfigError(
            f"backbone: expected a model that takes RGB images, (None, height, width, 3). Received {model.name!r}, which takes {shape}."
        )
    if shape[1] != shape[2]:
        raise ConfigError(
            f"backbone: images are square. Expected an input (None, side, side, 3), or (None, None, None, 3). Received {shape}."
        )
    return shape[1], shape[2]


def _inputs(model: keras.Model) -> list[keras.KerasTensor]:
    try:
        return list(model.inputs)
    except (AttributeError, ValueError):
        raise ConfigError(
            "backbone: a model that is written as a class has no input yet. Expected one made of Keras tensors: "
            f"x = keras.Input((None, None, 3)); keras.Model(x, network(x)). Received {type(model).__name__} {model.name!r}."
        ) from None


def _functional(model: keras.Model, images: tuple[int | None, int | None]) -> keras.Model:
    if len(model.outputs) != 1:
        raise ConfigError(
            f"backbone: expected a model of one output, a feature map. Received {model.name!r} with {len(model.outputs)} outputs."
        )
    return keras.Model(model.inputs, model.outputs, name=model.name)


def _rebuilt(text: str, side: int) -> keras.Model:
    try:
        return architecture.build(text, side=side)
    except Exception as error:
        raise ConfigError(f"backbone: it does not take images of {side} x {side} pixels: {' '.join(str(error).split())[:200]}") from None


def _cuts(model: keras.Model, wanted: Sequence[str] | None, names: dict[str, str]) -> tuple[Cut, ...]:
    """Return the cut points: those that are wanted, or those that are found; the top is the last."""
    if wanted is None:
        return cut_points(model, any_name=True)
    graph = Graph(model)
    line, top = graph.main_line(), graph.steps[graph.output].name
    valid = {graph.steps[at].name: at for at in line if len(graph.steps[at].output_shape) == 3 and at != graph.input}
    listed = [wanted] if isinstance(wanted, str) else list(wanted)
    found = [names.get(str(name), str(name)) for name in listed]
    for name, given in zip(found, listed, strict=True):
        if name not in valid:
            exists = name in {step.name for step in graph.steps}
            why = "is no cut point: not everything passes through its output, or it is no map" if exists else "is no layer of it"
            raise ConfigError(f"cuts: {given!r} {why}. Expected layers among: {', '.join(valid)}. Received {listed!r}.")
    if len(set(found)) < len(found):
        raise ConfigError(f"cuts: no cut point may be repeated. Received {listed!r}.")
    ordered = sorted(found, key=valid.__getitem__)
    return tuple(Cut(name, name) for name in dict.fromkeys([*ordered, top]))


def _chain(model: keras.Model, cuts: Sequence[Cut]) -> tuple[str, ...]:
    """Return the names of all layers, if they form a single chain."""
    calls = [node for node in nodes(model) if not node.is_input]
    single = all(len(node.input_tensors) == 1 and isinstance(node.operation, keras.layers.Layer) for node in calls)
    names = [node.operation.name for node in calls]
    follows = all(node.input_tensors[0] is before.output_tensors[0] for before, node in pairwise(calls))
    maps = all(len(node.output_tensors[0].shape) == 4 for node in calls)
    return (
        tuple(names) if single and follows and maps and len(set(names)) == len(names) and {cut.name for cut in cuts} <= set(names) else ()
    )
