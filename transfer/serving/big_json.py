"""JSON with more values than can be parsed at once: orjson lets no other thread run meanwhile, a second for each ten million values.

Such a request is valid only if it holds images as numbers, so that nearly all of its values lie in a few lists, one a row. The lists
are found by counting brackets, which is fast and lets others run; they are cut out, and each is parsed when its row is converted.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from transfer.serving.refusals import RefusedError

_AT_ONCE = 100_000  # values that are parsed in one call, some 10 ms
_STRINGS = 16  # most strings a row, names included
_OTHERS = 1000  # most strings outside of rows, and most escapes in all
_CHUNK = 1 << 20
_MARK = secrets.token_hex(16)  # begins the text that stands for a list that was cut out: no client knows it
_OPEN = np.zeros(256, np.int8)
_OPEN[[ord("["), ord("{")]] = 1
_STEPS = _OPEN.copy()
_STEPS[[ord("]"), ord("}")]] = -1


@dataclass(frozen=True)
class Largest:
    """The largest valid request: so many rows, of so many values and lists each."""

    rows: int
    values: float


@dataclass(frozen=True)
class Unparsed:
    """A list of a document that is parsed later; `start` is its place in the body."""

    text: bytes
    start: int

    def __str__(self) -> str:
        return f"a list of {len(self.text):,} characters"

    def loaded(self) -> Any:
        """Return the list.

        Raises:
            RefusedError: 400 if it is no JSON.
        """
        return _parsed(self.text, self.start)


def is_heavy(body: bytes) -> bool:
    """Return whether a body may hold too many values to be parsed at once."""
    return len(body) > _AT_ONCE and _values(body) > _AT_ONCE


def loads(body: bytes, largest: Largest) -> Any:
    """Parse a body; if it is heavy, the long lists in it stay `Unparsed`.

    Raises:
        RefusedError: 400 if it is no JSON; 413 if it holds more values than the largest valid request.
    """
    if not is_heavy(body):
        return _parsed(body)
    text = _without_strings(body, largest)
    values = _values(text)
    if values <= _AT_ONCE:
        return _parsed(body)
    if values > largest.rows * largest.values + _AT_ONCE:
        raise _too_many(largest)
    for depth in (3, 4):  # {"instances": [ROW, ...]}, or {"inputs": {"images": [ROW, ...]}} and {"instances": [{"images": ROW}, ...]}
        lists = _lists(text, depth, 4 * largest.rows)
        inside = [_values(text, a, b) for a, b in lists]
        if lists and all(text[a] == ord("[") for a, _ in lists) and max(inside) <= largest.values and values - sum(inside) <= _AT_ONCE:
            return _cut(body, lists)
    raise _too_many(largest)


def _values(text: bytes | bytearray, start: int = 0, end: int | None = None) -> int:
    """Return the number of values, lists and objects; those in strings are counted as well, if it has strings."""
    return sum(text.count(mark, start, end) for mark in (b",", b"[", b"{"))


def _without_strings(body: bytes, largest: Largest) -> bytearray:
    """Return a body of the same length with blanks for strings."""
    if body.count(b"\\") > _OTHERS:
        raise _too_many(largest)
    text = bytearray(body.replace(b"\\\\", b"  ").replace(b'\\"', b"  "))
    if text.count(b'"') > 2 * (largest.rows * _STRINGS + _OTHERS):
        raise _too_many(largest)
    start = text.find(b'"')
    while start >= 0:
        end = text.find(b'"', start + 1)
        end = len(text) if end < 0 else end + 1
        text[start:end] = bytes(end - start)
        start = text.find(b'"', end)
    return text


def _lists(text: bytearray, depth: int, most: int) -> list[tuple[int, int]]:
    """Return where the lists and objects of a depth begin and end; none if there are more than `most`, or one does not end."""
    starts: list[int] = []
    ends: list[int] = []
    for place, steps, depths in _depths(text):
        found = np.flatnonzero((steps > 0) & (depths == depth))
        starts += (found[: most + 1] + place).tolist()
        ends += (np.flatnonzero((steps < 0) & (depths == depth - 1))[: most + 1] + place + 1).tolist()
        if len(starts) > most:
            return []
    return list(zip(starts, ends, strict=True)) if len(starts) == len(ends) else []


def _depths(text: bytearray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield for each part its place, for each byte whether it opens (1) or closes (-1) a list or object, and the depth after it."""
    codes, depth = np.frombuffer(text, np.uint8), 0
    for place in range(0, len(codes), _CHUNK):
        steps = _STEPS[codes[place : place + _CHUNK]]
        depths = np.cumsum(steps, dtype=np.int32) + depth
        depth = int(depths[-1])
        yield place, steps, depths


def _cut(body: bytes, lists: list[tuple[int, int]]) -> Any:
    parts, rest, position = {}, [], 0
    for number, (a, b) in enumerate(lists):
        parts[f"{_MARK}{number}"] = Unparsed(body[a:b], a)
        rest += [body[position:a], f'"{_MARK}{number}"'.encode()]
        position = b
    return _filled(_parsed(b"".join([*rest, body[position:]])), parts)


def _filled(value: Any, parts: dict[str, Unparsed]) -> Any:
    """Put the lists that were cut out into a document; it is at most 4 deep."""
    if isinstance(value, list):
        return [_filled(item, parts) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, parts) for key, item in value.items()}
    return parts.get(value, value) if isinstance(value, str) else value


def _parsed(text: bytes, start: int = 0) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusedError(400, f"JSON Parse error: {error.msg} at offset: {start + error.pos}") from None


def _too_many(largest: Largest) -> RefusedError:
    if not largest.values:
        return RefusedError(413, "The request holds more values than any that is valid: this model takes encoded images.")
    return RefusedError(413, f"The request holds more values than the largest valid one, of {largest.rows} rows.")
