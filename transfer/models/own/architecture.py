"""A Keras model as data: its architecture as JSON and its weights as arrays, the same for the same model however its layers are called."""

import hashlib
import importlib
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from transfer.errors import ConfigError
from transfer.models.cutting import default_name, named_by_keras
from transfer.models.graph import Graph, all_layers
from transfer.models.keras_file import FOUND_BY_KERAS, WITH_CODE, WITH_FILES

_POLICIES = ("float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


@dataclass(frozen=True)
class Architecture:
    """A model without models inside it.

    Attributes:
        text: JSON of Keras, in float32.
        arrays: the weights, in Keras's order.
        names: how layers were called -> how they are called here: those that Keras named are numbered from 1 in the order of computing.
    """

    text: str
    arrays: list[np.ndarray]
    names: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of architecture and weights, 16 hexadecimal digits."""
        return digest_of([self.text, *self.arrays])


def digest_of(parts: Iterable[str | np.ndarray]) -> str:
    """Return the SHA-256 of texts and arrays, 16 hexadecimal digits."""
    mixed = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            mixed.update(hashlib.sha256(part.encode()).digest())
        else:
            mixed.update(f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
    return mixed.hexdigest()[:16]


def of_model(
    model: keras.Model, key: str, before: Callable[[Any], Any] | None = None, after: Callable[[Any], Any] | None = None
) -> Architecture:
    """Return a functional model as data; the model itself stays as it is.

    Args:
        model: of one input and one output.
        key: of the configuration, for errors.
        before: what is applied to the input first, on Keras tensors.
        after: what is applied to the output.

    Raises:
        ConfigError: for layers that Keras could not make again from the data in its safe mode, and NaN weights.
    """
    require_layers(all_layers(model), key)
    try:
        copy: Any = keras.saving.deserialize_keras_object(_serialized(model), safe_mode=True)
        copy.set_weights(model.get_weights())
    except Exception as error:  # Keras raises all kinds of errors for layers whose get_config is incomplete
        raise ConfigError(
            f"{key}: Keras cannot make the model again from its configuration: {_reason(error)}. Received {_said(model)}."
        ) from None
    images = keras.Input(model.inputs[0].shape[1:], name="inputs", dtype=model.inputs[0].dtype)
    tensor = before(images) if before else images
    whole = keras.Model(images, _applied(copy, tensor, after))
    graph = Graph(whole)
    names = _rename(graph)
    flat = keras.Model(graph.steps[graph.input].node.output_tensors[0], graph.symbolic(), name="own")
    arrays = [np.asarray(array) for array in flat.get_weights()]
    _require_finite(flat, arrays, key)
    content = _in_policy(json.loads(json.dumps(_serialized(flat))), "float32")
    return Architecture(json.dumps(content, sort_keys=True), arrays, names)


def build(text: str, precision: str = "float32", side: int | None = None) -> keras.Model:
    """Return the model of an architecture, with new weights.

    Args:
        text: see `Architecture.text`.
        precision: dtype policy of Keras of all layers from the first with weights on; what is before them prepares images.
        side: of the images, where the architecture leaves it open.

    Raises:
        Exception: of any kind, if a class is not known here, or the network does not take such images.
    """
    content = json.loads(text)
    for module in sorted(_modules(content)):
        with suppress(ImportError):  # of the user: it registers its layers
            importlib.import_module(module)
    layers = content["config"]["layers"]
    if side is not None:
        layers[0]["config"]["batch_shape"] = [None, side, side, 3]
    first = next((number for number, layer in enumerate(layers) if _has_weights(layer)), 0)
    content["config"]["layers"] = layers[:first] + _in_policy(layers[first:], precision)
    model: keras.Model = keras.saving.deserialize_keras_object(content, safe_mode=True)
    return model


def require_layers(layers: Iterable[Any], key: str) -> None:
    """Refuse layers that bring code, and classes that Keras would not find.

    Raises:
        ConfigError: names the layer, and what to do.
    """
    for layer in layers:
        kind = type(layer)
        if kind.__name__ in (*WITH_CODE, *WITH_FILES):
            raise ConfigError(
                f"{key}: a {kind.__name__} layer holds code or files, which Keras does not read again in its safe mode. Write a layer "
                f"of your own, decorated with @keras.saving.register_keras_serializable(). Received the layer {layer.name!r}."
            )
        if kind.__module__.partition(".")[0] not in FOUND_BY_KERAS and ">" not in keras.saving.get_registered_name(kind):
            raise ConfigError(
                f"{key}: Keras would not find the class {kind.__name__} of the layer {layer.name!r} when the model is read again. "
                f"Decorate it with @keras.saving.register_keras_serializable(). Received {kind.__module__}.{kind.__qualname__}."
            )


def _serialized(model: keras.Model) -> Any:
    content: Any = keras.saving.serialize_keras_object(keras.Model(model.inputs[0], model.outputs[0], name="own"))
    for one in _dicts(content):
        one.pop("compile_config", None)
    return content


def _applied(model: Any, tensor: Any, after: Callable[[Any], Any] | None) -> Any:
    output = model(tensor)
    output = output[0] if isinstance(output, list | tuple) else output
    return after(output) if after else output


def _rename(graph: Graph) -> dict[str, str]:
    """Give each layer a name of its own: that of the user, or one that only depends on its place."""
    operations = list({id(step.operation): step for step in graph.steps}.values())
    names: dict[str, str] = {}
    left, counts = [], dict[str, int]()
    for step in operations:
        if named_by_keras(step.name, step.kind) or step.name in names:
            left.append(step)
        else:
            names[step.name] = step.name
    taken = set(names)
    for step in left:
        stem = default_name(step.kind)
        counts[stem] = counts.get(stem, 0) + 1
        while (new := f"{stem}_{counts[stem]}") in taken:
            counts[stem] += 1
        names.setdefault(step.name, new)
        step.operation.name = new  # of the copy
    return names


def _require_finite(model: keras.Model, arrays: list[np.ndarray], key: str) -> None:
    for variable, array in zip(model.weights, arrays, strict=True):
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            wrong = int(np.sum(~np.isfinite(array)))
            raise ConfigError(
                f"{key}: weights must be finite numbers. Load them again, from before training diverged. Received NaN or infinity in "
                f"{wrong} of the {array.size} values of {variable.path}."
            )


def _in_policy(tree: Any, precision: str) -> Any:
    """Let layers compute in a precision; those that have another dtype policy than one of floats keep it."""
    policy = precision if precision == "float32" else f"mixed_{precision}"
    for one in _dicts(tree):
        found = one.get("dtype")
        if isinstance(found, dict) and found.get("class_name") == "DTypePolicy" and found["config"]["name"] in _POLICIES:
            found["config"]["name"] = policy
    return tree


def _has_weights(layer: dict[str, Any]) -> bool:
    return any(key.endswith("_initializer") for one in _dicts(layer) for key in one) or not layer["module"].startswith("keras")


def _modules(tree: Any) -> set[str]:
    """Return the modules outside Keras whose classes an architecture names."""
    found = {str(one["module"]) for one in _dicts(tree) if one.get("module") and "class_name" in one}
    return {module for module in found if module.partition(".")[0] not in ("keras", "builtins", "__main__")}


def _dicts(tree: Any) -> Iterable[dict[str, Any]]:
    left = [tree]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield one
            left.extend(one.values())
        elif isinstance(one, list | tuple):
            left.extend(one)


def _reason(error: Exception) -> str:
    """Return the innermost reason of Keras's error, which repeats all configurations on the way to it."""
    return (" ".join(str(error).rpartition("Exception encountered: ")[2].split()) or type(error).__name__)[:200].rstrip(".")


def _said(model: keras.Model) -> str:
    return f"{type(model).__name__} {model.name!r}"
