"""Rows of numbers in a request's JSON -> an array, whatever the rows hold: the first one is looked at before any is converted."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from transfer.serving.big_json import Unparsed
from transfer.serving.model import Input
from transfer.serving.refusals import RefusedError, described

_KINDS = {"f": "iuf", "i": "iu", "u": "iu", "b": "b"}  # kinds of arrays accepted for each kind of input
_TYPES: dict[str, tuple[type, ...]] = {"f": (int, float), "i": (int,), "u": (int,), "b": (bool,)}


def converted(values: list[Any], kind: Input, place: str) -> np.ndarray:
    """Return rows of numbers as an array of the shape and type of an input.

    Args:
        values: the rows, one at least; emptied on the way, to free them.
        place: of the rows in the request, for messages.

    Raises:
        RefusedError: 400, with TensorFlow Serving's message.
    """
    dtype = np.dtype(kind.dtype.as_numpy_dtype)
    shape, number = _first(values)
    if type(number) not in _TYPES.get(dtype.kind, ()) and not isinstance(number, list):
        raise _not_of(kind, place, values[0])
    if len(shape) != len(kind.shape) or any(want is not None and want != have for want, have in zip(kind.shape, shape, strict=True)):
        if any(isinstance(row, list) and len(row) != shape[0] for row in values if shape):
            raise _differ(place)
        want = ",".join("?" if side is None else str(side) for side in (None, *kind.shape))
        raise RefusedError(400, f"Expecting shape [{want}] but got: [{','.join(map(str, (len(values), *shape)))}] in {place}")
    array = np.empty((len(values), *shape), dtype)
    for position, row in enumerate(values):
        flat = _flat(row, shape, place)
        values[position] = None
        others = set(map(type, flat)).difference(_TYPES[dtype.kind])
        if others:
            raise _not_of(kind, place, next(value for value in flat if type(value) in others))
        array[position] = _array(flat, kind, place).reshape(shape)
    return array


def _first(values: list[Any]) -> tuple[tuple[int, ...], Any]:
    """Return the shape of the first row as its first elements show it, and its first number; a list if it is empty."""
    shape = []
    if isinstance(values[0], Unparsed):
        values[0] = values[0].loaded()
    first = values[0]
    while isinstance(first, list):
        shape.append(len(first))
        if not first:
            break
        first = first[0]
    return tuple(shape), first


def _flat(row: Any, shape: Sequence[int], place: str) -> list[Any]:
    """Return the numbers of a row of this shape."""
    level = [row.loaded() if isinstance(row, Unparsed) else row]
    for side in shape:
        if not all(type(part) is list and len(part) == side for part in level):
            raise _differ(place)
        level = list(itertools.chain.from_iterable(level))
    return level


def _array(flat: list[Any], kind: Input, place: str) -> np.ndarray:
    dtype = np.dtype(kind.dtype.as_numpy_dtype)
    array = np.array(flat)
    if flat and array.dtype.kind not in _KINDS[dtype.kind]:  # integers beyond 64 bits
        raise _not_of(kind, place, flat[0])
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if (dtype.kind in "iu" and (converted != array).any()) or (dtype.kind == "f" and not np.isfinite(converted).all()):
        raise RefusedError(400, f"Cannot convert values of {place} to {kind.dtype.name} without loss of precision.")
    return converted


def _differ(place: str) -> RefusedError:
    return RefusedError(400, f"The rows of {place} differ in shape.")


def _not_of(kind: Input, place: str, value: Any) -> RefusedError:
    return RefusedError(400, f"The values of {place} are not of expected type: {kind.dtype.name}. Received {described(value)}.")
