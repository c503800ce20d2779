"""Dynamic batching: requests that wait while the model is busy share its next batch.

No request is delayed to fill a batch while the model is idle: what has arrived by then is computed at once. A few threads run the
model, so that one batch uses the cores that another leaves idle (small networks leave a third of them). A batch beside others waits
until as many rows wait as are being computed, for ten milliseconds at most: a batch has a cost of its own, and small ones would
follow each other at the price of large ones. The queue is bounded; if it is full, the client is told at once. A batch with a
damaged image is halved until the damaged ones are isolated; the decoder fails before the network computes, so this costs at most
one more pass.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from transfer.serving.pieces import Limits, Piece, answers, failure
from transfer.serving.refusals import busy

_LOG = logging.getLogger("transfer.serving")
_HISTORY = 0.2  # weight of the newest batch in the running mean of seconds a row
_GATHERING = 0.01  # seconds that a batch beside others waits for more rows, at most


class Batcher:
    """The queue, and the threads behind it.

    Attributes:
        seconds_per_row: running mean of the time of a batch, divided by its rows and by the threads.
        answered_at: when the model last answered a batch (`time.monotonic`); 0: never.
    """

    def __init__(
        self,
        limits: Limits,
        bad_row: type[BaseException] | tuple[type[BaseException], ...],
        told: Callable[[int], None],
        threads: int = 1,
        replaced: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; `start` starts the threads.

        Args:
            bad_row: what `Piece.run` raises if a row is bad.
            told: called in a thread with the number of rows of each batch computed.
            threads: most batches computed at the same time.
            replaced: called when a thread had died and another was started.
        """
        self._limits, self._bad_row, self._told, self._replaced = limits, bad_row, told, replaced
        self._waiting: deque[Piece] = deque()
        self._rows = self._turn = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._large = False  # whether a batch above the limit of pixels is being computed
        self._computing: list[int] = []  # rows of the other batches that are being computed
        self._gathered = 0.0  # when a batch beside them need not wait any longer
        self._waking, self._watched = False, 0  # whether threads will be woken; how many wait for the end of that time
        self._threads = [self._thread(number) for number in range(threads)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self.seconds_per_row = self.answered_at = 0.0

    def _thread(self, number: int) -> threading.Thread:
        return threading.Thread(target=self._work, name=f"model {number}", daemon=True)

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return self._rows

    def start(self) -> None:
        """Start the threads; answers are delivered in the running event loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float | None = None) -> None:
        """End the threads after the batches in progress, but wait no longer than `seconds`; the queue is not computed."""
        until = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))

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
            for turn, piece in enumerate(pieces, self._turn):  # a request of many pieces takes turns with those that come later
                piece.turn = turn
            in_order = not self._waiting or self._waiting[-1].turn <= self._turn
            self._waiting.extend(pieces)
            if not in_order:
                self._waiting = deque(sorted(self._waiting, key=lambda piece: piece.turn))
            self._rows += rows
            self._revive()
        if not self._waking:  # when the requests that have arrived together are all in the queue
            self._waking = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._waking = False
        with self._changed:
            if not (self._gathers() and self._watched):
                self._changed.notify()

    def submit_first(self, piece: Piece) -> None:
        """Put a piece before all others, whatever waits."""
        with self._changed:
            piece.turn = -1
            self._waiting.appendleft(piece)
            self._rows += piece.rows
            self._revive()
            self._changed.notify()

    def _revive(self) -> None:
        """Start a thread in the place of each that has died, which no batch should be able to cause."""
        for number, thread in enumerate(self._threads):
            if thread.ident is not None and not thread.is_alive() and not self._stopping:
                self._threads[number] = self._thread(number)
                self._threads[number].start()
                self._replaced()

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
                while not self._stopping and (self._gathers() or not (batch := self._take())):
                    self._wait()
                if self._stopping:
                    return
                if self._waiting:
                    self._changed.notify()
            try:
                self._compute(batch)
            except BaseException as error:  # of an answer that could not be delivered, perhaps for want of memory
                _LOG.exception("A batch failed.")
                self._deliver(batch, [failure(error)] * len(batch))
            finally:
                with self._changed:
                    if self._is_large(batch):
                        self._large = False
                        self._changed.notify_all()
                    else:
                        self._computing.remove(sum(piece.rows for piece in batch))
            del batch  # free it while waiting

    def _gathers(self) -> bool:
        """Return whether what waits is left to become more."""
        if not self._waiting or not self._computing or self._waiting[0].turn < 0 or self._rows >= self._limits.rows:
            return False
        return self._rows * len(self._computing) < sum(self._computing) and time.monotonic() < self._gathered

    def _wait(self) -> None:
        if not self._gathers():
            self._changed.wait()
            return
        self._watched += 1
        self._changed.wait(self._gathered - time.monotonic())
        self._watched -= 1

    def _compute(self, batch: list[Piece]) -> None:
        started, rows = time.perf_counter(), sum(piece.rows for piece in batch)
        results = answers(batch, self._bad_row)
        took = (time.perf_counter() - started) / rows / len(self._threads)
        with self._changed:
            if not self._is_large(batch):  # one such, of minutes, says nothing of the others, which pass it by
                self.seconds_per_row = took if not self.seconds_per_row else (1 - _HISTORY) * self.seconds_per_row + _HISTORY * took
            if not all(isinstance(result, Exception) for result in results):
                self.answered_at = time.monotonic()
        self._told(rows)
        self._deliver(batch, results)

    def _is_large(self, batch: Sequence[Piece]) -> bool:
        return sum(piece.pixels for piece in batch) > self._limits.pixels

    def _take(self) -> list[Piece]:
        """Take the oldest piece, and those behind it that may share its batch within the limits; none if nothing can be computed.

        A piece that is above the limit of pixels by itself waits until no other such is computed: each takes gigabytes.
        """
        limits = self._limits
        first = next((piece for piece in self._waiting if not (self._large and self._is_large([piece]))), None)
        batch: list[Piece] = []
        left: deque[Piece] = deque()
        rows = size = pixels = 0
        full = False
        for piece in self._waiting:
            fits = rows + piece.rows <= limits.rows and size + piece.size <= limits.size and pixels + piece.pixels <= limits.pixels
            if piece is first or (first is not None and piece.key == first.key and fits and not full and batch):
                batch.append(piece)
                rows, size, pixels = rows + piece.rows, size + piece.size, pixels + piece.pixels
            else:
                full = full or (bool(batch) and piece.key == batch[0].key)  # pieces with the same key keep their order
                left.append(piece)
        self._waiting = left
        self._rows -= rows
        self._turn = max([self._turn, *(piece.turn for piece in batch[:1])])
        if self._is_large(batch):
            self._large = True
        elif batch:
            self._computing.append(rows)
            self._gathered = time.monotonic() + _GATHERING
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
