"""Large JSON is parsed in parts that give the same rows; more values than any valid request has are refused before they are parsed."""

import json
from typing import Any

import numpy as np
import orjson
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.serving import big_json, number_rows
from transfer.serving.big_json import Largest, Unparsed
from transfer.serving.model import Input
from transfer.serving.refusals import RefusedError

LARGEST = Largest(8, 40)
KIND = Input(tf.float32, (3, 4, 2))
ROWS = st.lists(st.lists(st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), min_size=4, max_size=4), min_size=3, max_size=3))
TEXTS = st.text(st.sampled_from('[]{},:"\\ab'), max_size=8)


def whole(value: Any) -> Any:
    """Return a document with its lists parsed."""
    if isinstance(value, Unparsed):
        return value.loaded()
    if isinstance(value, list):
        return [whole(item) for item in value]
    return {key: whole(item) for key, item in value.items()} if isinstance(value, dict) else value


@settings(deadline=None, max_examples=100)
@given(ROWS.filter(lambda rows: 2 <= len(rows) <= 8), TEXTS, TEXTS, st.sampled_from([None, 1]), st.integers(0, 2))
def test_the_parts_are_the_whole(rows: list[Any], name: str, text: str, indent: int | None, form: int) -> None:
    value: Any = [{"instances": rows}, {"inputs": {name: rows}}, {"instances": [{name: row} for row in rows]}][form]
    document = {text: text, **value}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(big_json, "_AT_ONCE", 30)
        found = big_json.loads(json.dumps(document, indent=indent).encode(), LARGEST)
        assert "Unparsed" in repr(found)
    assert whole(found) == document
    rows_found = [found.get("instances", []), found.get("inputs", {}).get(name), []][form]
    if rows_found:
        np.testing.assert_array_equal(number_rows.converted(rows_found, KIND, "x"), np.array(rows, np.float32))


@pytest.mark.parametrize(
    "rows",
    [
        b",".join([b"[]"] * 300_000),
        b",".join([b"0"] * 300_000),
        b",".join([b"{}"] * 300_000),
        b",".join([b'""'] * 300_000),
        b"[" + b",".join([b"0"] * 300_000) + b"]",
        b"[" * 150_000 + b"]" * 150_000,
        b",".join([b"[1,2]"] * 200_000),
        b'"' + b"[," * 100_000 + b'\\"' * 2000 + b'"',
    ],
    ids=["empty lists", "numbers", "objects", "strings", "one long row", "deep", "short rows", "escapes"],
)
def test_more_values_than_any_valid_request_are_refused_before_they_are_parsed(rows: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orjson, "loads", None)
    for body in (b'{"instances":[%b]}' % rows, b'{"inputs":{"x":[%b]}}' % rows, b"[%b]" % rows):
        with pytest.raises(RefusedError) as refused:
            big_json.loads(body, LARGEST)
        assert refused.value.status == 413


def test_a_long_text_full_of_brackets_is_no_list() -> None:
    text = "[,{" * 100_000
    assert big_json.loads(json.dumps({"instances": [text]}).encode(), LARGEST) == {"instances": [text]}


@pytest.mark.parametrize("end", [b"", b"]", b"]]]", b"}", b"]}}"], ids=repr)
def test_large_bodies_that_are_no_json_are_refused(end: bytes) -> None:
    row = b"[" + b",".join([b"0"] * 60_000) + b"]"
    with pytest.raises(RefusedError):
        whole(big_json.loads(b'{"instances":[' + b",".join([row] * 3) + end, Largest(8, 70_000)))


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([[[[1, 2]] * 4] * 3, [[[1, 2]] * 4] * 2], "differ in shape"),
        ([[[[1, 2]] * 4] * 3, [[[1, 2]] * 4, 5, 6]], "differ in shape"),
        ([[[[1, 2]] * 4] * 3, [[[1, [2]]] * 4] * 3], "not of expected type: float32. Received a list of 1"),
        ([[[[1, None]] * 4] * 3], "not of expected type: float32. Received null"),
        ([[[[True, True]] * 4] * 3], "not of expected type: float32. Received"),
        ([[[[1, 2**70]] * 4] * 3], "not of expected type: float32"),
        ([[[[1, 1e39]] * 4] * 3], "without loss of precision"),
        ([[]], "Expecting shape [?,3,4,2] but got: [1,0]"),
        ([5], "Expecting shape [?,3,4,2] but got: [1]"),
        ([{}], "not of expected type: float32. Received an empty object"),
    ],
)
def test_rows_that_are_wrong_are_refused_in_words(rows: list[Any], text: str) -> None:
    with pytest.raises(RefusedError) as refused:
        number_rows.converted(rows, KIND, "x")
    assert refused.value.status == 400
    assert text in refused.value.text


def test_numbers_without_a_shape_are_converted_exactly() -> None:
    assert number_rows.converted([1, -2], Input(tf.int32, ()), "x").tolist() == [1, -2]
    with pytest.raises(RefusedError, match="without loss"):
        number_rows.converted([2**40], Input(tf.int32, ()), "x")
