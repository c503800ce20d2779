"""Own heads: a Keras model, or a function that builds one, from pooled features to logits."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any

import keras
import numpy as np

from transfer.errors import ConfigError
from transfer.models import backbones
from transfer.models.graph import Graph
from transfer.models.own import architecture, kept

_KEY = "head"


@dataclass(frozen=True)
class Head:
    """A head as it was given.

    Attributes:
        part: its name in the configuration.
        made: a model, which each training begins with; None: `function` builds one.
        function: from the number of features and of classes to a model.
    """

    part: str
    made: architecture.Architecture | None = None
    function: Callable[[int, int], Any] | None = None

    def build(self, width: int, classes: int, seed: int) -> keras.Model:
        """Return a new head.

        Args:
            width: number of features.
            classes: number of classes.
            seed: of the initial weights that a function draws, and of dropout.

        Returns:
            Model from float32 [n, width] to logits, float32 [n, classes].

        Raises:
            ConfigError: if it does not fit, or does not end in logits.
        """
        with _seeded(seed):
            made = self.made or architecture.of_model(_called(self.function, width, classes), _KEY)
            model = architecture.build(made.text)
        _check(model, width, classes)
        model.set_weights(made.arrays)
        backbones.seed_dropout(model, seed)
        model.name = "own_head"
        return model


def adopt(given: Any) -> Head:
    """Take a head: a model is kept in the cache, so that a run's config.yaml finds it again; a function cannot be.

    Raises:
        ConfigError: if it is neither, or could not be made again from data.
    """
    if isinstance(given, keras.Model):
        if not given.built or len(given.inputs) != 1 or len(given.outputs) != 1:
            raise ConfigError(f"head: expected a keras.Model of one input, keras.Input((width,)), and one output. Received {given.name!r}.")
        made = architecture.of_model(given, _KEY)
        part = kept.reference(given.name, made.digest)
        kept.keep(part, {"text": made.text}, made.arrays)
        return Head(part, made)
    if callable(given) and not isinstance(given, keras.layers.Layer):
        name = getattr(given, "__name__", type(given).__name__)
        return Head(kept.reference(name, architecture.digest_of(_of_code(given))), function=given)
    raise ConfigError(
        "head: expected settings (head={'dropout': 0.3}), a keras.Model from features to logits, or a function (width, classes) that "
        f"returns one. Received {type(given).__name__}."
    )


def from_cache(part: str) -> Head:
    """Return a head that was given as a model before.

    Raises:
        ConfigError: if the cache does not have it: it was a function, or was given on another machine.
    """
    return Head(part, architecture.Architecture(kept.facts(part, _KEY)["text"], kept.weights(part, _KEY), {}))


def _called(function: Any, width: int, classes: int) -> keras.Model:
    try:
        model = function(width, classes)
    except Exception as error:  # whatever the user's function raises
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"head: the function failed for {width} features and {classes} classes: {type(error).__name__}: {reason}"
        ) from error
    if not isinstance(model, keras.Model) or not model.built:
        raise ConfigError(
            f"head: expected the function to return a keras.Model with an input, keras.Input((width,)). Received {type(model).__name__}."
        )
    return model


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let Keras and NumPy draw the same numbers in a block: Keras takes the seeds of its initializers from Python's own generator."""
    before, of_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(of_numpy)


def _check(model: keras.Model, width: int, classes: int) -> None:
    takes, gives = tuple(model.inputs[0].shape), tuple(model.outputs[0].shape)
    if len(takes) != 2 or takes[1] not in (None, width):
        raise ConfigError(
            f"head: it gets {width} features, those of all cut points and poolings side by side. Expected keras.Input(({width},)), or a "
            f"function (width, classes). Received an input of {takes}."
        )
    if gives != (None, classes):
        raise ConfigError(f"head: expected one logit for each of the {classes} classes, (None, {classes}). Received an output of {gives}.")
    graph = Graph(model)
    last = graph.steps[graph.output]
    activation = getattr(getattr(last.operation, "activation", None), "__name__", "")
    if last.kind == "Softmax" or activation in ("softmax", "sigmoid", "log_softmax"):
        raise ConfigError(
            "head: expected logits, for the loss and the temperature come after them. Leave the last activation out. "
            f"Received {activation or 'softmax'} in the layer {last.name!r}."
        )
    if not model.trainable_weights:
        raise ConfigError("head: nothing of it can be trained. Expected trainable weights. Received none.")


def _of_code(function: Any) -> Iterator[str]:
    """Return what determines what a function does, as far as Python tells: its code, its arguments and what it encloses."""
    inner = getattr(function, "func", None)  # functools.partial
    if inner is not None:
        yield repr((function.args, sorted(function.keywords.items())))
        yield from _of_code(inner)
        return
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    yield from _constants(code) if code is not None else [repr(function)]
    yield repr(getattr(function, "__defaults__", None))
    for cell in getattr(function, "__closure__", None) or ():
        content = cell.cell_contents
        yield from _of_code(content) if callable(content) and hasattr(content, "__code__") else [repr(content)]


def _constants(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _constants(constant)
        else:
            yield repr(constant)
