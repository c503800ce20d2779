"""How a value becomes one of a setting's kind, and the words for a value that does not."""

import functools
import re
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError

from transfer.errors import nearest

_EMPTY = ("none", "null", "~")


@functools.cache
def _parts(annotation: Any) -> tuple[Any, ...]:
    """Return what an annotation takes: types, words, and lists as `tuple[...]`."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _parts(inner[0])
    if origin is Literal:
        return inner
    if origin in (Union, types.UnionType):
        return tuple(part for item in inner for part in _parts(item))
    return (annotation,)


def taken(value: Any, annotation: Any) -> Any:
    """Return a value as the setting with this annotation takes it; pydantic reads numbers and truth values from text itself.

    Words are matched without regard to case. `none` and `null` mean empty, unless `none` is a word of the setting. A single value
    is a list of one, `256,128` a list of two. `false` is `off` where only that is a word.

    Raises:
        ValueError: for a truth value where a number is expected, which Python would take as 0 or 1.
    """
    parts = _parts(annotation)
    optional = types.NoneType in parts
    word = value.strip().lower() if isinstance(value, str) else None
    if word is not None and word in parts:
        return word
    if word in _EMPTY and optional:
        return None
    if "none" in parts and (word in _EMPTY or (value is None and not optional)):
        return "none"
    if isinstance(value, bool):
        if value is False and "off" in parts:
            return "off"
        if bool not in parts and (int in parts or float in parts):
            raise ValueError("must be a number, not true or false")
    values_of = next((get_args(part)[0] for part in parts if get_origin(part) is tuple), None)
    if values_of is not None and isinstance(value, str | int | float | list | tuple):
        items = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
        return tuple(taken(item, values_of) for item in items)
    return value


@dataclass(frozen=True)
class Refusal:
    """Why a value was refused.

    Attributes:
        key: dotted key of the setting; empty if the rule concerns several.
        rule: what it must be, such as `must be at least 1`.
        received: the value, or the one value of a list that was refused.
    """

    key: str
    rule: str
    received: Any


_RULES = {
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "has characters that are not allowed",
}
_KINDS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "string": "must be text; write a number in quotes",
    "tuple": "must be a list, such as [256, 128], or [] for none",
    "dict": "holds `key: value` lines",
    "model": "holds `key: value` lines",
}


def refusal(error: ValidationError) -> Refusal:
    """Return the first reason of pydantic's error, in our words."""
    first = error.errors(include_url=False)[0]
    kind, context = first["type"], first.get("ctx", {})
    if kind == "literal_error":
        rule = _one_of(re.findall(r"'([^']*)'", context["expected"]), first["input"])
    elif kind == "value_error":
        rule = str(context["error"])
        rule = rule[:1].lower() + rule[1:]
    elif kind in _RULES:
        rule = _RULES[kind].format(**context)
        if kind in ("too_short", "too_long"):
            count = context["min_length" if kind == "too_short" else "max_length"]
            rule += " value" if count == 1 else " values"
    else:
        rule = _KINDS.get(kind.partition("_")[0], first["msg"][0].lower() + first["msg"][1:])
    where = [part for part in first["loc"] if isinstance(part, str)]
    in_list = any(isinstance(part, int) for part in first["loc"])
    return Refusal(".".join(where), f"each value {rule}" if in_list else rule, first["input"])


def _one_of(words: list[str], received: Any) -> str:
    near = nearest(received, words) if isinstance(received, str) else None
    return f"must be one of: {', '.join(words)}" + (f" (did you mean {near!r}?)" if near else "")
