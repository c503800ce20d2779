"""The reference of the configuration, made from the typed models: a row for each key, and a JSON schema for editors."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

_KINDS = {"integer": "integer", "number": "number", "string": "text", "boolean": "true | false", "object": "mapping", "null": "empty"}
_NONE: Mapping[str, Any] = types.MappingProxyType({})
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class KeyRow:
    """One key of a configuration.

    Attributes:
        key: dotted, `head.dropout`.
        kind: what it takes, `number, 0 to below 1`.
        default: as it is written in YAML; empty: nothing.
        description: what it does.
    """

    key: str
    kind: str
    default: str
    description: str


def schema_rows(model: type[BaseModel], prefix: str = "") -> list[KeyRow]:
    """Return a row for each key of a configuration, of sections too, in the order of the fields."""
    return list(_rows(model, model.model_json_schema(), prefix))


def _rows(model: type[BaseModel], schema: Mapping[str, Any], prefix: str) -> Iterator[KeyRow]:
    from transfer.config.yaml_text import inline

    for name, field in model.model_fields.items():
        section = _section(field.annotation)
        if section is not None:
            yield from _rows(section, section.model_json_schema(), f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        written = "" if default is None or field.is_required() else inline(list(default) if isinstance(default, tuple) else default)
        kind = kind_of(schema["properties"][name], schema.get("$defs", {}))
        yield KeyRow(f"{prefix}{name}", kind, written, field.description or "")


def sections(model: type[BaseModel]) -> dict[str, str]:
    """Return the name of each section of a configuration, and what it is about: the first line of its docstring."""
    found = {name: _section(field.annotation) for name, field in model.model_fields.items()}
    return {name: (kind.__doc__ or "").strip().splitlines()[0] for name, kind in found.items() if kind is not None}


def _section(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def kind_of(schema: Mapping[str, Any], defined: Mapping[str, Any] = _NONE) -> str:
    """Return what a JSON schema takes, in words: `integer, 8 to 2048, or empty`."""
    if "$ref" in schema:
        return kind_of(defined[schema["$ref"].rsplit("/", 1)[-1]], defined)
    if "anyOf" in schema:
        kinds = list(dict.fromkeys(kind_of(one, defined) for one in schema["anyOf"]))
        first, last = ", ".join(kind for kind in kinds if kind != "empty"), " or empty" if "empty" in kinds else ""
        return first + last
    if "enum" in schema or "const" in schema:
        return " | ".join(map(str, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        items: Mapping[str, Any] = schema.get("items") or next(iter(schema.get("prefixItems", [])), _NONE)
        return f"list of {kind_of(items, defined)}" if items else "list"
    kind = _KINDS.get(str(schema.get("type")), "anything")
    return ", ".join(part for part in (kind, _bounds(schema)) if part)


def _bounds(schema: Mapping[str, Any]) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    lower = f"{low:,}" if low is not None else f"above {above:,}" if above is not None else ""
    upper = f"{high:,}" if high is not None else f"below {below:,}" if below is not None else ""
    if lower and upper:
        return f"{lower} to {upper}"
    return f"{lower} or more" if low is not None else lower or (f"at most {upper}" if high is not None else upper)


def json_schema(
    model: type[BaseModel], title: str, keys_below: Mapping[str, type[BaseModel]] = types.MappingProxyType({})
) -> dict[str, Any]:
    """Return the JSON schema of a configuration file (draft 2020-12): unknown keys are refused, a single value stands for a list.

    Args:
        model: the typed configuration.
        title: of the schema.
        keys_below: key that holds keys of another configuration, dotted or nested (`common` of a comparison); a trailing `.*`: each of its
            entries does.
    """
    schema = model.model_json_schema()
    for name, inner in keys_below.items():
        nested = inner.model_json_schema(ref_template=f"#/$defs/{inner.__name__}/$defs/{{model}}")
        dotted = {row.key: {"description": row.description, "default": row.default} for row in schema_rows(inner) if "." in row.key}
        nested["properties"] |= dotted
        schema.setdefault("$defs", {})[inner.__name__] = nested
        key, _, each = name.partition(".")
        place: dict[str, Any] = {"$ref": f"#/$defs/{inner.__name__}"}
        keep = {word: schema["properties"][key][word] for word in ("description",)}
        schema["properties"][key] = keep | ({"type": "object", "additionalProperties": place} if each else place)
    return {"$schema": _DIALECT, **_lenient(schema), "title": title}


def _lenient(schema: Any) -> Any:
    """Return a schema in which a single value may stand for a list, as in configuration files."""
    if isinstance(schema, list):
        return [_lenient(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _lenient(value) for key, value in schema.items()}
    if changed.get("type") == "array" and "items" in changed:
        facts = {key: changed.pop(key) for key in ("default", "description", "title") if key in changed}
        return {**facts, "anyOf": [changed, changed["items"]]}
    return changed
