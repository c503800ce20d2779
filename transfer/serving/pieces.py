"""Pieces of requests, and how a batch of them is computed: a bad row, or a failure, spoils no other piece's answer."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transfer.serving.admission import DAMAGED
from transfer.serving.refusals import ImageError

Rows = Sequence[Any] | np.ndarray
"""Rows of one input: a list of bytes, or an array."""

Answer = dict[str, np.ndarray]
"""Outputs by name, n rows each."""


@dataclass(frozen=True)
class Limits:
    """Limits of one batch (`rows`, `size` in bytes, `pixels`) and of the queue (`waiting` rows, a wait of `seconds`)."""

    rows: int
    size: float
    pixels: float
    waiting: int
    seconds: float


@dataclass(eq=False)
class Piece:
    """Rows of one request that go to the model in the same batch, with others or alone.

    Attributes:
        key: pieces with the same key may share a batch.
        run: computes a batch: inputs of n rows -> outputs of n rows; raises if a row is bad.
        inputs: by name, `rows` rows each.
        size, pixels: bytes of the encoded images, pixels of the decoded ones.
        turn: pieces of a lower one are computed first; those of one request have consecutive ones.
        future: receives the answer, or `ImageError` with the position of the first bad row in this piece.
    """

    key: object
    run: Callable[[Mapping[str, Rows]], Any]
    inputs: Mapping[str, Rows]
    rows: int
    size: int
    pixels: int
    future: "asyncio.Future[Any]"
    dropped: bool = field(default=False, init=False)
    turn: int = field(default=0, init=False)


def new_piece(key: object, run: Any, inputs: Mapping[str, Rows], sizes: Sequence[int], pixels: Sequence[int]) -> Piece:
    """Return a piece of so many rows, each of a size and a number of pixels, for the running event loop."""
    return Piece(key, run, inputs, len(sizes), sum(sizes), sum(pixels), asyncio.get_running_loop().create_future())


async def result_of(piece: Piece) -> Any:
    """Return a piece's answer, or its `ImageError`; any other error is raised."""
    try:
        return await piece.future
    except ImageError as error:
        return error


def answers(batch: Sequence[Piece], bad_row: type[BaseException] | tuple[type[BaseException], ...]) -> list[Any]:
    """Return for each piece its outputs, or the exception that its client gets. Nothing is raised, whatever the model does.

    A failure other than a bad row (a defect of a library, too little memory) may be the fault of one piece: each is tried alone.

    Args:
        batch: pieces with the same `run`.
        bad_row: what `run` raises if a row is bad.
    """
    try:
        return _together(batch, bad_row)
    except BaseException as error:  # also what libraries raise to end a thread
        if len(batch) == 1:
            return [failure(error)]
    return [answers([piece], bad_row)[0] for piece in batch]


def failure(error: BaseException) -> Exception:
    """Return an error that a future can carry: SystemExit and its like would end the event loop that awaits it."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"The model raised {type(error).__name__}.")


def _together(batch: Sequence[Piece], bad_row: Any) -> list[Any]:
    run = batch[0].run
    inputs = {name: _joined([piece.inputs[name] for piece in batch]) for name in batch[0].inputs}
    starts = list(itertools.accumulate((piece.rows for piece in batch), initial=0))
    try:
        found = run(inputs)
    except bad_row:
        found = None
    if found is None:  # outside of the handler: what fails here is handled as any other failure
        parts, bad = _halved(run, inputs, starts[-1], bad_row) if starts[-1] > 1 else ({}, {0})
        return [_part(parts, bad, a, b) for a, b in itertools.pairwise(starts)]
    if not isinstance(found, dict):  # an explanation, computed alone
        return [found]
    return [{name: value[a:b] for name, value in found.items()} for a, b in itertools.pairwise(starts)]


def _joined(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else list(itertools.chain.from_iterable(parts))


def _halved(run: Callable[..., Any], inputs: Mapping[str, Rows], rows: int, bad_row: Any) -> tuple[dict[int, Answer], set[int]]:
    """Compute rows that failed together in halves; return the outputs of each good row, and the bad rows."""
    found: dict[int, Answer] = {}
    bad: set[int] = set()
    spans = _halves(0, rows)
    while spans:
        a, b = spans.pop()
        try:
            outputs = run({name: value[a:b] for name, value in inputs.items()})
        except bad_row:
            spans += _halves(a, b)
            if b - a == 1:
                bad.add(a)
            continue
        for row in range(a, b):
            found[row] = {name: value[row - a : row - a + 1] for name, value in outputs.items()}
    return found, bad


def _halves(a: int, b: int) -> list[tuple[int, int]]:
    middle = (a + b) // 2
    return [(middle, b), (a, middle)] if b - a > 1 else []


def _part(found: Mapping[int, Any], bad: set[int], a: int, b: int) -> Any:
    first = next((row for row in range(a, b) if row in bad), None)
    if first is not None:
        return ImageError(DAMAGED, first - a)
    return {name: np.concatenate([found[row][name] for row in range(a, b)]) for name in found[a]}


def pieces_of(rows: int, sizes: Sequence[int], pixels: Sequence[int], limits: Limits) -> list[slice]:
    """Divide a request into pieces that each fit into a batch; a row that exceeds the limits by itself is a piece of its own."""
    cuts, count, size, area = [0], 0, 0, 0
    for row in range(rows):
        if count and (count == limits.rows or size + sizes[row] > limits.size or area + pixels[row] > limits.pixels):
            cuts.append(row)
            count = size = area = 0
        count, size, area = count + 1, size + sizes[row], area + pixels[row]
    return [slice(a, b) for a, b in itertools.pairwise([*cuts, rows])]
