"""Dynamic batching: requests that wait while the model is busy share its next batch.

No request is delayed to fill a batch: one that finds the model idle is computed at once. A few threads run the model, so that
one batch uses the cores that another leaves idle (small networks leave a third of them). The queue in front of them is bounded;
if it is full, the client is told at once. A batch with a damaged image is halved until the damaged ones are isolated; the
decoder fails before the network computes, so this costs at most one more pass.
"""

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transfer.serving.admission import DAMAGED
from transfer.serving.refusals import ImageError, busy

Rows = Sequence[Any] | np.ndarray
"""Rows of one input: a list of bytes, or an array."""

Answer = dict[str, np.ndarray]
"""Outputs by name, n rows each."""

_HISTORY = 0.2  # weight of the newest batch in the running mean of seconds a row


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


class Batcher:
    """The queue, and the threads behind it.

    Attributes:
        seconds_per_row: running mean of the time of a batch, divided by its rows and by the threads.
    """

    def __init__(
        self, limits: Limits, bad_row: type[BaseException] | tuple[type[BaseException], ...], told: Callable[[int], None], threads: int = 1
    ) -> None:
        """Prepare; `start` starts the threads.

        Args:
            bad_row: what `Piece.run` raises if a row is bad.
            told: called in a thread with the number of rows of each batch computed.
            threads: most batches computed at the same time.
        """
        self._limits, self._bad_row, self._told = limits, bad_row, told
        self._waiting: deque[Piece] = deque()
        self._rows = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._threads = [threading.Thread(target=self._work, name=f"model {number}", daemon=True) for number in range(threads)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self.seconds_per_row = 0.0

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return self._rows

    def start(self) -> None:
        """Start the threads; answers are delivered in the running event loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads after the batches in progress; the queue is not computed."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def submit(self, pieces: Sequence[Piece]) -> None:
        """Put the pieces of one request into the queue, all or none.

        Raises:
            RefusedError: 429 if there is no room for them, or they would wait too long.
        """
        rows = sum(piece.rows for piece in pieces)
        with self._changed:
            wait = self._rows * self.seconds_per_row
            if self._rows + rows > self._limits.waiting or wait > self._limits.seconds:
                raise busy(wait)
            self._waiting.extend(pieces)
            self._rows += rows
            self._changed.notify(len(pieces))

    def drop(self, pieces: Sequence[Piece]) -> None:
        """Remove pieces whose client no longer waits from the queue; those in progress are not stopped."""
        with self._changed:
            for piece in pieces:
                piece.dropped = True
                piece.future.cancel()
            kept = deque(piece for piece in self._waiting if not piece.dropped)
            self._waiting, self._rows = kept, sum(piece.rows for piece in kept)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                batch = self._take()
            started, rows = time.perf_counter(), sum(piece.rows for piece in batch)
            results = _answers(batch, self._bad_row)
            took = (time.perf_counter() - started) / rows / len(self._threads)
            with self._changed:
                self.seconds_per_row = took if not self.seconds_per_row else (1 - _HISTORY) * self.seconds_per_row + _HISTORY * took
            self._told(rows)
            self._deliver(batch, results)
            del batch, results  # free them while waiting

    def _take(self) -> list[Piece]:
        """Take the oldest piece, and those behind it that may share its batch within the limits."""
        limits, first = self._limits, self._waiting[0]
        batch: list[Piece] = []
        left: deque[Piece] = deque()
        rows = size = pixels = 0
        full = False
        for piece in self._waiting:
            fits = rows + piece.rows <= limits.rows and size + piece.size <= limits.size and pixels + piece.pixels <= limits.pixels
            if piece is first or (piece.key == first.key and fits and not full):
                batch.append(piece)
                rows, size, pixels = rows + piece.rows, size + piece.size, pixels + piece.pixels
            else:
                full = full or piece.key == first.key  # pieces with the same key keep their order
                left.append(piece)
        self._waiting = left
        self._rows -= rows
        return batch

    def _deliver(self, batch: list[Piece], results: list[Any]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_settle, batch, results)
        except RuntimeError:  # the event loop has ended: no client waits
            pass


def _settle(batch: list[Piece], results: list[Any]) -> None:
    for piece, result in zip(batch, results, strict=True):
        if piece.future.done():
            continue
        if isinstance(result, Exception):
            piece.future.set_exception(result)
        else:
            piece.future.set_result(result)


def _answers(batch: Sequence[Piece], bad_row: Any) -> list[Any]:
    """Return for each piece its outputs, or its exception."""
    run = batch[0].run
    inputs = {name: _joined([piece.inputs[name] for piece in batch]) for name in batch[0].inputs}
    starts = list(itertools.accumulate((piece.rows for piece in batch), initial=0))
    try:
        found = run(inputs)
        if not isinstance(found, dict):  # an explanation, computed alone
            return [found]
        return [{name: value[a:b] for name, value in found.items()} for a, b in itertools.pairwise(starts)]
    except bad_row:
        found, bad = _halved(run, inputs, starts[-1], bad_row) if starts[-1] > 1 else ({}, {0})
        return [_part(found, bad, a, b) for a, b in itertools.pairwise(starts)]
    except Exception as error:  # a defect, or out of memory: every client gets the error, and the thread goes on
        return [error] * len(batch)


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
