"""The JSON of TensorFlow Serving's predict API: requests -> rows of inputs, outputs -> responses, with its messages.

Source: TensorFlow Serving's RESTful API (tensorflow.org/tfx/serving/api_rest) and the behaviour of its model server 2.x.
Row format (`instances` -> `predictions`), columnar format (`inputs` -> `outputs`). Bytes arrive as `{"b64": ...}`; strings are
returned as text, or as `{"b64": ...}` if the output's name ends in `_bytes`.
"""

import binascii
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson  # writes float32 arrays with as few digits as needed, ten times faster than the standard library

from transfer.serving import base64_text, big_json, number_rows
from transfer.serving.big_json import Largest
from transfer.serving.model import DEFAULT, Input, Signature
from transfer.serving.pieces import Rows
from transfer.serving.refusals import RefusedError, described, shortened, too_many_images

_ANY = Largest(0, 0)  # of a body that is not heavy, where it does not matter


@dataclass(frozen=True)
class Question:
    """A parsed request.

    Attributes:
        signature: whose inputs these are.
        inputs: lists of bytes, or arrays, of `rows` rows each.
        by_row: whether it was sent as `instances`; the answer has the same form.
    """

    signature: Signature
    inputs: Mapping[str, Rows]
    rows: int
    by_row: bool


def parse(body: bytes, signatures: Mapping[str, Signature], most_rows: int) -> Question:
    """Parse a request.

    Raises:
        RefusedError: 400, with TensorFlow Serving's message; 413 if it has more rows than `most_rows`, or more values than such a
            request can have.
    """
    document = _document(body, _largest(signatures, most_rows) if big_json.is_heavy(body) else _ANY)
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise _bad(f"'signature_name' key must be a string value. Received {described(name)}.")
    signature = signatures.get(name or DEFAULT)
    if signature is None:
        raise _bad(f'Serving signature name: "{shortened(name)}" not found in signature def')
    if "instances" in document and "inputs" in document:
        raise _bad("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
    if "instances" in document:
        columns = _by_row(document["instances"], signature.inputs, most_rows)
    elif "inputs" in document:
        columns = _by_column(document["inputs"], signature.inputs, most_rows)
    else:
        raise _bad("Missing 'inputs' or 'instances' key")
    counts = {name: len(rows) for name, rows in columns.items()}
    if len(set(counts.values())) > 1:
        raise _bad(f"All inputs must have the same number of rows. Received {counts}.")
    return Question(signature, columns, min(counts.values()), "instances" in document)


def dumps(outputs: Mapping[str, np.ndarray], by_row: bool) -> bytes:
    """Write the answer of a request: outputs of n rows each, strings as objects."""
    columns = {name: _column(value, name.endswith("_bytes")) for name, value in outputs.items()}
    content: Any
    if by_row:
        names = list(columns)
        rows = zip(*columns.values(), strict=True)
        content = {"predictions": [row[0] if len(names) == 1 else dict(zip(names, row, strict=True)) for row in rows]}
    else:
        content = {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def _largest(signatures: Mapping[str, Signature], most_rows: int) -> Largest:
    return Largest(most_rows, max(map(_values_a_row, signatures.values())))


def _values_a_row(signature: Signature) -> float:
    """Return the most numbers and lists that a row of a signature holds."""
    sides = [[math.inf if side is None else side for side in kind.shape] for kind in signature.inputs.values() if not kind.is_string]
    return sum(math.prod(shape[:depth]) for shape in sides for depth in range(len(shape) + 1) if shape)


def _document(body: bytes, largest: Largest) -> dict[str, Any]:
    if not body:
        raise _bad("JSON Parse error: The document is empty")
    document = big_json.loads(body, largest)
    if not isinstance(document, dict):
        raise _bad(f"JSON Value: {described(document)} Is not object")
    return document


def _by_row(instances: Any, inputs: Mapping[str, Input], most: int) -> dict[str, Rows]:
    if not isinstance(instances, list):
        raise _bad(f"Expecting 'instances' to be a list/array. Received {described(instances)}.")
    if not instances:
        raise _bad("No values in 'instances' array")
    if len(instances) > most:
        raise too_many_images(most, len(instances))
    if _is_object(instances[0]):
        names = set(inputs)
        for number, item in enumerate(instances):
            if not _is_object(item):
                raise _bad(f"Expecting object but got list at item {number} of input list")
            if set(item) != names:
                where, wanted = f"Failed to process element: {number} of 'instances' list.", ",".join(sorted(names))
                raise _bad(f"{where} Its keys must be equal to: {wanted}. Received {described(item)}.")
        return {name: _rows([item[name] for item in instances], kind, f"key: {name} of 'instances' list") for name, kind in inputs.items()}
    if len(inputs) > 1:
        raise _bad("instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map")
    for number, item in enumerate(instances):
        if _is_object(item):
            raise _bad(f"Expecting value/list but got object at item {number} of input list")
    ((name, kind),) = inputs.items()
    return {name: _rows(instances, kind, "'instances' list")}


def _by_column(value: Any, inputs: Mapping[str, Input], most: int) -> dict[str, Rows]:
    if not _is_object(value):
        if len(inputs) > 1:
            raise _bad("inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map")
        value = {next(iter(inputs)): value}
    columns: dict[str, Rows] = {}
    for name, kind in inputs.items():
        if name not in value:
            raise _bad(f"Missing named input: {name} in 'inputs' object.")
        if not isinstance(value[name], list):
            raise _bad(f"Input {name} must be a list of rows. Received {described(value[name])}.")
        if not value[name]:
            raise _bad(f"No values in input {name}.")
        if len(value[name]) > most:
            raise too_many_images(most, len(value[name]))
        columns[name] = _rows(value[name], kind, f"input {name}")
    return columns


def _rows(values: list[Any], kind: Input, place: str) -> Rows:
    if kind.is_string:
        return [_bytes(value, number, place) for number, value in enumerate(values)]
    return number_rows.converted(values, kind, place)


def _bytes(value: Any, number: int, place: str) -> bytes:
    if isinstance(value, str) and not base64_text.is_data_url(value):
        return value.encode("utf-8", "surrogatepass")
    text = value.get("b64") if isinstance(value, dict) and len(value) == 1 else value
    where = f"Failed to process element: {number} of {place}. Error:"
    if not isinstance(text, str):
        raise _bad(f'{where} expecting {{"b64": <base64 of the image>}}. Received {described(value)}.')
    try:
        return base64_text.decoded(text)
    except ValueError:
        raise _bad(f"{where} Unable to base64 decode. Received {described(text)}.") from None


def _column(value: np.ndarray, as_bytes: bool) -> Any:
    """Return an output in a form that orjson can write; arrays of numbers stay arrays."""
    if value.dtype != object:
        return value if value.flags.c_contiguous else np.ascontiguousarray(value)
    if value.ndim == 2 and not as_bytes:  # class names, the same ones in every row
        return [_names(tuple(row)) for row in value.tolist()]
    return _texts(value.tolist(), as_bytes)


def _texts(value: Any, as_bytes: bool) -> Any:
    if isinstance(value, list):
        return [_texts(item, as_bytes) for item in value]
    return {"b64": binascii.b2a_base64(value, newline=False).decode()} if as_bytes else _text(value)


@functools.lru_cache(64)
def _names(row: tuple[bytes, ...]) -> list[str]:
    return [_text(value) for value in row]


@functools.lru_cache(4096)
def _text(value: bytes) -> str:
    """Decode a string, most often a class name; what is not Unicode is replaced, as JSON cannot hold it."""
    return value.decode("utf-8", "replace")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not (len(value) == 1 and isinstance(value.get("b64"), str))


def _bad(text: str) -> RefusedError:
    return RefusedError(400, text)
