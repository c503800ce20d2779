"""Keras objects among the settings: they become names in the configuration, which is data, and parts that travel beside it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transfer.errors import ConfigError
from transfer.system.startup import import_tensorflow_quietly

_BESIDE = ("preprocess", "cuts")


def taken(layers: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return settings with the names of own parts in place of the objects.

    Raises:
        ConfigError: for objects that are no such parts; says what was expected.
    """
    given = [dict(layer) for layer in layers]
    objects: dict[str, Any] = {}
    for layer in given:
        if "backbone" in layer:  # the last one counts
            objects = {"backbone": layer["backbone"]}
        objects |= {key: layer.pop(key) for key in _BESIDE if key in layer}
    if isinstance(objects.get("backbone", ""), str):
        for key in _BESIDE:
            if objects.get(key) is not None:
                raise ConfigError(
                    f"{key}: the networks of the table have their own. Expected it with backbone=MODEL, a Keras model. "
                    f"Received it with backbone={objects.get('backbone')!r}."
                )
        return list(given)
    import_tensorflow_quietly()
    from transfer.models import applications
    from transfer.models.own.backbone import adopt

    for layer in given:
        layer.pop("backbone", None)
    if name := applications.name_of(objects["backbone"]):
        return [*given, {"backbone": name}]
    adopted = adopt(objects["backbone"], objects.get("preprocess"), objects.get("cuts"), _size(given))
    for layer in given:
        for key in ("truncate_at", "unfreeze_from"):
            if key in layer:
                layer[key] = _renamed(layer[key], adopted.names)
    return [*given, {"backbone": adopted.row.name}]


def _size(layers: Sequence[Mapping[str, Any]]) -> int | None:
    found = [layer["image_size"] for layer in layers if layer.get("image_size") is not None]
    return int(found[-1]) if found else None


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list | tuple):
        return [_renamed(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value
