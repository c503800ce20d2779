"""Keras objects among the settings: they become names in the configuration, which is data, and parts that travel beside it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transfer.errors import ConfigError
from transfer.models.own.parts import NONE, Parts
from transfer.system.startup import import_tensorflow_quietly

_BESIDE = ("preprocess", "cuts")
_OBJECTS = ("head", "callbacks", "metrics", "augment.layers")


def taken(layers: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], Parts]:
    """Return settings with the names of own parts in place of the objects, and the parts.

    Raises:
        ConfigError: for objects that are no such parts; says what was expected.
    """
    given = [dict(layer) for layer in layers]
    objects: dict[str, Any] = {}
    for layer in given:
        if "backbone" in layer:  # the last one counts, with what was given beside it
            objects = {key: value for key, value in objects.items() if key not in _BESIDE} | {"backbone": layer["backbone"]}
        objects |= {key: layer.pop(key) for key in (*_BESIDE, "callbacks", "metrics") if key in layer}
        objects |= _objects_in(layer)
    backbone, rest = _backbone(given, objects)
    names, parts = _others({key: value for key, value in objects.items() if key in _OBJECTS and value is not None})
    return [*rest, *([backbone] if backbone else []), *([names] if names else [])], parts


def of_methods(layers: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Parts]]:
    """Return the settings of a comparison with names in place of the objects in `common` and `methods`, and the parts of each method.

    Raises:
        ConfigError: as of `taken`; names the method.
    """
    given, of_all, parts = [dict(layer) for layer in layers], NONE, dict[str, Parts]()
    for layer in given:
        if isinstance(layer.get("common"), Mapping):
            layer["common"], found = _flat(layer["common"], "common")
            of_all = found.over(of_all)
        if isinstance(layer.get("methods"), Mapping):
            methods = {name: _flat(keys, f"methods.{name}") for name, keys in layer["methods"].items() if isinstance(keys, Mapping)}
            layer["methods"] = {**layer["methods"], **{name: keys for name, (keys, _) in methods.items()}}
            parts |= {name: found.over(parts.get(name, NONE)) for name, (_, found) in methods.items()}
    for name, found in parts.items():
        parts[name] = found.over(of_all)
        if parts[name].once:
            raise ConfigError(
                f"methods.{name}: each trial is a training of its own and needs callbacks of its own. Expected callbacks as a function "
                "stage -> list. Received a list."
            )
    return given, parts


def of_search(layers: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], Parts]:
    """Return the settings of a search with names in place of the objects in `backbones` and `common` or beside them, and the parts.

    `preprocess` and `cuts` are those of all own backbones of the search.

    Raises:
        ConfigError: as of `taken`.
    """
    given, parts = [dict(layer) for layer in layers], NONE
    beside = {key: layer.pop(key) for layer in given for key in _BESIDE if key in layer}
    for layer in given:
        backbones = layer.get("backbones")
        if isinstance(backbones, list | tuple) and not all(isinstance(one, str) for one in backbones):
            layer["backbones"] = [one if isinstance(one, str) else _named(one, beside) for one in backbones]
        elif backbones is not None and not isinstance(backbones, str | list | tuple):
            layer["backbones"] = [_named(backbones, beside)]
        objects: dict[str, Any] = {key: layer.pop(key) for key in ("head", "callbacks", "metrics", "augment") if key in layer}
        common = layer.get("common")
        if objects or isinstance(common, Mapping):
            layer["common"], found = _flat({**(common or {}), **objects}, "common")
            parts = found.over(parts)
    return given, parts


def _named(backbone: Any, beside: Mapping[str, Any]) -> str:
    layers, _ = taken([{"backbone": backbone, **beside}])
    return str(layers[-1]["backbone"])


def _flat(keys: Mapping[str, Any], where: str) -> tuple[dict[str, Any], Parts]:
    try:
        layers, parts = taken([keys])
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    return {key: value for layer in layers for key, value in _dotted(layer).items()}, parts


def _dotted(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with dotted keys, so that later ones override earlier ones one by one."""
    found: dict[str, Any] = {}
    for key, value in layer.items():
        found |= {f"{key}.{inner}": one for inner, one in _dotted(value).items()} if isinstance(value, Mapping) else {key: value}
    return found


def _objects_in(layer: dict[str, Any]) -> dict[str, Any]:
    """Take the head and the layers of views out of settings, if they are objects."""
    found: dict[str, Any] = {}
    if layer.get("head") is not None and not isinstance(layer["head"], Mapping):
        found["head"] = layer.pop("head")
    section = layer.get("augment")
    if isinstance(section, Mapping) and not isinstance(section.get("layers"), str | None):
        found["augment.layers"] = section["layers"]
        layer["augment"] = {key: value for key, value in section.items() if key != "layers"}
    if not isinstance(layer.get("augment.layers"), str | None):
        found["augment.layers"] = layer.pop("augment.layers")
    return found


def _backbone(given: list[dict[str, Any]], objects: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the setting of an own backbone, and the other settings."""
    if isinstance(objects.get("backbone", ""), str | None):
        for key in _BESIDE:
            if objects.get(key) is not None:
                raise ConfigError(
                    f"{key}: the networks of the table have their own. Expected it with backbone=MODEL, a Keras model. "
                    f"Received it with backbone={objects.get('backbone')!r}."
                )
        return {}, given
    import_tensorflow_quietly()
    from transfer.models import applications
    from transfer.models.own.backbone import adopt

    for layer in given:
        layer.pop("backbone", None)
    if name := applications.name_of(objects["backbone"]):
        return {"backbone": name}, given
    adopted = adopt(objects["backbone"], objects.get("preprocess"), objects.get("cuts"), _size(given))
    for layer in given:
        for key in ("truncate_at", "unfreeze_from"):
            if key in layer:
                layer[key] = _renamed(layer[key], adopted.names)
    return {"backbone": adopted.row.name}, given


def _others(objects: Mapping[str, Any]) -> tuple[dict[str, Any], Parts]:
    """Return the names of the other parts, by their keys, and the parts."""
    if not objects:
        return {}, NONE
    import_tensorflow_quietly()
    from transfer.models.own import head, views
    from transfer.training.own_callbacks import fresh_metrics

    names: dict[str, Any] = {}
    own, layers, metrics = None, "", None
    if "head" in objects:
        own = head.adopt(objects["head"])
        names |= {"head.kind": "own", "head.own": own.part}
    if "augment.layers" in objects:
        names["augment.layers"], layers = views.adopt(objects["augment.layers"])
        names["augment.live"] = True
    if "metrics" in objects:
        metrics = fresh_metrics(_list(objects["metrics"]))
        names["training.metrics"] = list(metrics.names)
    callbacks = objects.get("callbacks")
    if callbacks is None:
        return names, Parts(own, None, metrics, layers)
    if callable(callbacks) and not hasattr(callbacks, "set_model"):
        names["training.callbacks"] = [getattr(callbacks, "__name__", type(callbacks).__name__)]
        return names, Parts(own, callbacks, metrics, layers)
    listed = _list(callbacks)
    _require_callbacks(listed)
    names["training.callbacks"] = [type(one).__name__ for one in listed]
    return names, Parts(own, _Listed(listed), metrics, layers, once=True)


class _Listed:
    """The callbacks of a list, for each stage of one training."""

    def __init__(self, callbacks: Sequence[Any]) -> None:
        self.callbacks = callbacks

    def __call__(self, stage: str) -> Sequence[Any]:
        return self.callbacks


def _require_callbacks(listed: Sequence[Any]) -> None:
    import keras

    for one in listed:
        if not isinstance(one, keras.callbacks.Callback):
            raise ConfigError(
                "callbacks: expected a list of Keras callbacks, or a function stage -> list, which makes new ones for each training. "
                f"Received {one.__name__ if isinstance(one, type) else type(one).__name__}{', a class' if isinstance(one, type) else ''}."
            )


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _size(layers: Sequence[Mapping[str, Any]]) -> int | None:
    found = [layer["image_size"] for layer in layers if layer.get("image_size") is not None]
    return int(found[-1]) if found else None


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list | tuple):
        return [_renamed(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value
